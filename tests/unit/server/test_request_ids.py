"""Request ids: which of a caller's are kept."""

import pytest

from server.rpc.request_ids import request_id_from


@pytest.mark.parametrize("offered", ["a", "5f0c.1:x_y-z", "x" * 128])
def test_harmless_ids_are_kept(offered: str) -> None:
    """An id that the edge gave is the id in our logs."""
    assert request_id_from(offered) == offered


@pytest.mark.parametrize("offered", [None, "", "a b", "a\nb", "x" * 129, "é", "a\x00", "\x1b[31m"])
def test_others_are_replaced(offered: str | None) -> None:
    """Nothing that could forge a log line or break a header gets in."""
    replaced = request_id_from(offered)
    assert replaced != offered
    assert len(replaced) == 32
