"""Logs: one JSON line per event, and none of them holds a secret."""

import json
import logging

import pytest
import structlog

from server.logs import configure_logs

pytestmark = pytest.mark.usefixtures("own_logging")


def test_events_of_ours_and_of_libraries_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line parses, carries what was bound at the door, and hides what must not be seen."""
    configure_logs("info", "json")
    structlog.contextvars.bind_contextvars(request_id="r1")
    structlog.get_logger("ours").info("link_created", link_id="l1", token="eyJhbGciOi")
    logging.getLogger("theirs").warning("watch out for %s", "this")
    structlog.contextvars.clear_contextvars()
    ours, theirs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (ours["event"], ours["link_id"], ours["request_id"]) == ("link_created", "l1", "r1")
    assert ours["token"] == "[removed]"
    assert (theirs["event"], theirs["level"], theirs["request_id"]) == ("watch out for this", "warning", "r1")


@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_show_no_values(capsys: pytest.CaptureFixture[str], style: str) -> None:
    """A traceback tells where, and prints no local variable."""
    configure_logs("info", "json" if style == "json" else "console")

    def fail() -> None:
        bearer = "eyJ" + "hbGciOi"
        raise KeyError(len(bearer))

    try:
        fail()
    except KeyError as error:
        structlog.get_logger("ours").error("rpc_failed", exc_info=error)
    printed = capsys.readouterr().out
    assert "KeyError" in printed
    assert "eyJhbGciOi" not in printed
