"""Counts of some quarter hours, or of a day's links, made anew from the raw rows.

By the code the drain counts with. The caller holds the whole day (`closing.lock_whole_days`), so nobody adds
to it meanwhile, and what is read here is all there is.
"""

from __future__ import annotations

import datetime
from typing import Any, Final, NamedTuple

from server.analytics.counting import (
    CountedClick,
    CountedEvent,
    apply,
    tally_clicks,
    tally_events,
    touch_sessions,
)
from server.analytics.event_columns import EVENTS, QUARTER_MINUTES, ROLLUP_TABLES, SESSIONS
from server.analytics.raw_days import RAW_CLICKS, RAW_EVENTS, RawTable, bounds, day_bounds, occurred_within
from server.analytics.utc_days import start_of

QUARTER: Final = datetime.timedelta(minutes=QUARTER_MINUTES)

EVENT_FACTS: Final = (
    "type, floor(extract(epoch FROM occurred_at) * 1000)::bigint, is_human, session_id, user_id, product_id, "
    "source, device, country"
)
_EVENTS_WITHIN: Final = f"SELECT {EVENT_FACTS} FROM {EVENTS} WHERE {occurred_within(RAW_EVENTS)}"  # noqa: S608
_CLICKS_WITHIN: Final = f"""
    SELECT floor(extract(epoch FROM clicked_at) * 1000)::bigint, is_human, is_unique, product_id
    FROM {RAW_CLICKS.name} WHERE {occurred_within(RAW_CLICKS)}
"""  # noqa: S608 - constants of ours

# Sessions that lie within what is recounted are made anew; those that reach beyond it are only completed.
_FORGET_SESSIONS: Final = f"""
    DELETE FROM {SESSIONS} WHERE started_at >= $1 AND started_at < $2 AND last_event_at < $3
"""  # noqa: S608 - a constant of ours

_LINKS: Final = "link_click_rollups"
_FORGET_LINKS: Final = f"DELETE FROM {_LINKS} WHERE bucket_start >= $1 AND bucket_start < $2"  # noqa: S608
_COUNT_LINKS: Final = f"""
    INSERT INTO {_LINKS} (link_id, bucket_start, human_clicks, unique_clicks, bot_clicks)
    SELECT link_id, date_bin('{QUARTER_MINUTES} minutes', clicked_at, timestamptz 'epoch') AS bucket_start,
        count(*) FILTER (WHERE is_human),
        count(*) FILTER (WHERE is_human AND is_unique),
        count(*) FILTER (WHERE NOT is_human)
    FROM {RAW_CLICKS.name} WHERE {occurred_within(RAW_CLICKS)}
    GROUP BY 1, 2
"""  # noqa: S608 - constants of ours


class Recounted(NamedTuple):
    """How many raw rows were counted."""

    events: int
    clicks: int


async def recount(
    connection: Any, start: datetime.datetime, end: datetime.datetime, *, until: datetime.datetime
) -> Recounted:
    """Write rollups and sessions anew, between two ends of quarter hours.

    `until` is where all that is being recounted ends.
    """
    for table in ROLLUP_TABLES:
        await connection.execute(
            f"DELETE FROM {table.name} WHERE span_minutes = {QUARTER_MINUTES} "  # noqa: S608
            "AND bucket_start >= $1 AND bucket_start < $2",
            start,
            end,
        )
    await connection.execute(_FORGET_SESSIONS, start, end, until)
    events = [CountedEvent(*row) for row in await _rows(connection, _EVENTS_WITHIN, RAW_EVENTS, start, end)]
    clicks = [CountedClick(*row) for row in await _rows(connection, _CLICKS_WITHIN, RAW_CLICKS, start, end)]
    await apply(connection, tally_events(events))
    await apply(connection, tally_clicks(clicks))
    await touch_sessions(connection, events)
    return Recounted(len(events), len(clicks))


async def recount_links(connection: Any, day: int) -> None:
    """Write the counts of every link on that day anew."""
    await connection.execute(_FORGET_LINKS, start_of(day), start_of(day + 1))
    await connection.execute(_COUNT_LINKS, *day_bounds(RAW_CLICKS, day))


async def _rows(
    connection: Any, statement: str, raw: RawTable, start: datetime.datetime, end: datetime.datetime
) -> list[Any]:
    return list(await connection.fetch(statement, *bounds(raw, start, end)))
