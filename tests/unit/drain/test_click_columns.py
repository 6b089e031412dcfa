from __future__ import annotations

from server.affiliate.click_columns import CLICK_COLUMNS, DEAD_LETTER_COLUMNS, ROLLUP_COLUMNS
from server.affiliate.clicks import clicks, link_click_rollups, stream_dead_letters


def test_names_and_order_are_the_tables() -> None:
    """The names written without SQLAlchemy are those of its tables."""
    assert tuple(clicks.c.keys()) == CLICK_COLUMNS
    assert tuple(link_click_rollups.c.keys()) == ROLLUP_COLUMNS
    assert tuple(stream_dead_letters.c.keys()) == DEAD_LETTER_COLUMNS
