"""Path variables into every kind of field that a path can spell."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from google.api import http_pb2

from edge.rest.routes import BadRuleError, read_routes
from tests.unit.rest.kinds import KINDS, NOT_TEXT, REFUSED, REPEATED, TAKEN
from tests.unit.rest.probe import Probe, probe_file
from tests.unit.rest.routed import echoing, made_up_service


def proto_name(json_name: str) -> str:
    fields = probe_file().message_types_by_name["Everything"].fields
    return next(field.name for field in fields if field.json_name == json_name)


@pytest.fixture(scope="module")
async def subject() -> AsyncIterator[Probe]:
    rules = {name: http_pb2.HttpRule(get=f"/{name}/{{{proto_name(name)}}}") for name in KINDS}
    rules |= {
        f"{name}_again": http_pb2.HttpRule(post=f"/again/{name}/{{{proto_name(name)}}}", body="*")
        for name in KINDS
    }
    rules["whole"] = http_pb2.HttpRule(get="/whole/{a_string=**}")
    rules["prefixed"] = http_pb2.HttpRule(get="/prefixed/{a_string=a/*/b/**}")
    async with echoing([made_up_service(rules)]) as probe:
        yield probe


@pytest.mark.parametrize(("name", "text", "value"), TAKEN)
async def test_a_text_is_taken(subject: Probe, name: str, text: str, value: Any) -> None:
    answer = await subject.ask("GET", f"/{name}/{quote(text, safe='')}")

    assert (answer.status, answer.json.get(name)) == (200, value)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, text in REFUSED if text])
async def test_a_text_is_refused(subject: Probe, name: str, text: str) -> None:
    answer = await subject.ask("GET", f"/{name}/{quote(text, safe='')}")

    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == [name]


@pytest.mark.parametrize(("name", "text", "value"), [case for case in TAKEN if case[1] != "NaN"])
async def test_the_body_may_say_the_same(subject: Probe, name: str, text: str, value: Any) -> None:
    """Compared as what it means, not as it is spelled; anything else is a contradiction, also the default."""
    path = f"/again/{name}/{quote(text, safe='')}"
    other = next(other for _, other in reversed(KINDS[name][0]) if other != value)

    is_spelled_otherwise = isinstance(value, str) and name not in {"colour", "maybeColour"}
    same = await subject.ask("POST", path, json={name: text if is_spelled_otherwise else value})
    different = await subject.ask("POST", path, json={name: other})

    assert (same.status, same.json[name]) == (200, value)
    assert [error["field"] for error in different.json["errors"]] == [name]


@pytest.mark.parametrize("name", ["aString", "anInt32", "maybeString"])
async def test_an_empty_value_is_no_match(subject: Probe, name: str) -> None:
    assert (await subject.ask("GET", f"/{name}/")).status == 404


@pytest.mark.parametrize(
    ("path", "captured"),
    [
        ("/whole", ""),
        ("/whole/", ""),
        ("/whole/a", "a"),
        ("/whole/a/b//c/", "a/b//c/"),
        ("/whole/a%2Fb/c%20d+e", "a%2Fb/c d+e"),
        ("/whole/a%2fb%25", "a%2fb%"),
        ("/whole/%3A:x", "::x"),
        ("/prefixed/a/x/b", "a/x/b"),
        ("/prefixed/a/x%2Fy/b/c/d", "a/x%2Fy/b/c/d"),
        ("/prefixed/%61/x/b/", "a/x/b/"),
    ],
)
async def test_many_segments_are_one_string(subject: Probe, path: str, captured: str) -> None:
    """Decoded but for `%2F`, so that it can still be taken apart."""
    assert (await subject.ask("GET", path)).json["aString"] == captured


@pytest.mark.parametrize("path", ["/prefixed/a", "/prefixed/a/x", "/prefixed/a//b", "/prefixed/b/x/b"])
async def test_a_pattern_is_kept(subject: Probe, path: str) -> None:
    assert (await subject.ask("GET", path)).status == 404


@pytest.mark.parametrize("name", [*NOT_TEXT, *REPEATED])
def test_other_kinds_are_refused_at_the_start(name: str) -> None:
    rule = http_pb2.HttpRule(get=f"/x/{{{proto_name(name)}}}")

    with pytest.raises(BadRuleError, match="must be a singular scalar"):
        read_routes([made_up_service({"Bad": rule})])


@pytest.mark.parametrize("path", ["/nested/x", "/nested/%2B1"])
async def test_an_error_spells_every_step_of_the_way_for_json(path: str) -> None:
    """Also the messages that the path leads through, not just the field at its end."""
    rule = http_pb2.HttpRule(get="/nested/{chosen_inner.count}")
    async with echoing([made_up_service({"Get": rule})]) as probe:
        answer = await probe.ask("GET", path)

    assert [error["field"] for error in answer.json["errors"]] == ["chosenInner.count"]
