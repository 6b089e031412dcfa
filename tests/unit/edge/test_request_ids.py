"""Request ids, incoming and minted."""

import pytest

from edge.request_ids import RequestIds


def test_a_sane_incoming_id_is_kept() -> None:
    """So that a caller can follow its request."""
    assert RequestIds().choose("0190-abc_DEF.7") == "0190-abc_DEF.7"


@pytest.mark.parametrize(
    "incoming", [None, "", "short", "x" * 129, "with space", "a\r\nSet-Cookie: b", "ünïcödé-id"]
)
def test_anything_else_is_replaced(incoming: str | None) -> None:
    """A minted id is sane itself, and a new one."""
    ids = RequestIds()
    minted = ids.choose(incoming)
    assert minted != incoming
    assert ids.choose(minted) == minted
    assert ids.choose(None) != minted
