"""The names that the drain writes by are those of the tables."""

from server.affiliate.click_columns import CLICK_COLUMNS, ROLLUP_COLUMNS
from server.affiliate.clicks import clicks, link_click_rollups
from server.analytics.event_columns import EVENT_COLUMNS, ROLLUP_TABLES
from server.analytics.models import events, rollups
from server.streams.dead_letter_columns import DEAD_LETTER_COLUMNS
from server.streams.models import stream_dead_letters


def test_the_columns_have_the_names_and_the_order_of_the_tables() -> None:
    assert tuple(clicks.c.keys()) == CLICK_COLUMNS
    assert tuple(link_click_rollups.c.keys()) == ROLLUP_COLUMNS
    assert tuple(stream_dead_letters.c.keys()) == DEAD_LETTER_COLUMNS
    assert tuple(events.c.keys()) == EVENT_COLUMNS


def test_every_rollup_has_its_span_its_start_its_key_its_counters_and_its_sketches() -> None:
    for table in ROLLUP_TABLES:
        key = () if table.key is None else (table.key,)
        expected = ("span_minutes", "bucket_start", *key, *table.counters, *table.sketches)
        assert tuple(rollups[table.name].c.keys()) == expected
