"""The proof that live counters, raw rows and rollups say the same, and where they do not.

Day by day, each in one snapshot of its own, so nothing needs to stand still for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeAlias

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.differences import Proof
from server.analytics.drift_counts import compare_clicks, compare_events
from server.analytics.drift_live import MOST_HOURS, compare_live
from server.analytics.drift_spans import closed_days, closed_weeks, compare_day, compare_week
from server.analytics.raw_days import RAW_CLICKS, RAW_EVENTS, RawDays, raw_days, sum_up_pages, today
from server.analytics.rebuild import Kept

# Told how many days are done, and of how many.
OnProgress: TypeAlias = Callable[[int, int], Awaitable[None]]

# A busy day's visitors are told apart in memory rather than on disk.
_SETTINGS: Final = "SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '10min'"


class LiveSide(NamedTuple):
    """Where the live counters are."""

    redis: PipeliningRedis
    keys: StreamKeys
    hours: int = MOST_HOURS


class Outcome(NamedTuple):
    """What was found, and the hours (since 1970) whose live counters should be restated."""

    proof: Proof
    to_restate: set[int]


async def prove(
    connection: Any, live: LiveSide | None, *, kept: Kept, days: int | None, on_progress: OnProgress
) -> Outcome:
    """Compare everything, or the last `days` days, today included; nothing is changed.

    `connection` is a bare asyncpg one outside any transaction. `kept`: for how long retention keeps raw rows;
    days of which it took some are left out, and a note says so.
    """
    proof = Proof()
    to_restate = set() if live is None else await compare_live(connection, *live[:2], proof, hours=live.hours)
    first = -1 if days is None else await today(connection) - days + 1
    events = _within(
        await raw_days(connection, RAW_EVENTS, keep_days=kept.event_days), first, proof, "events"
    )
    clicks = _within(
        await raw_days(connection, RAW_CLICKS, keep_days=kept.click_days), first, proof, "clicks"
    )
    for raw, of in ((RAW_EVENTS, events), (RAW_CLICKS, clicks)):
        await sum_up_pages(connection, raw, [day for day in of if abs(day - of[-1]) < 60])
    spans = [day for day in await closed_days(connection) if day >= first]
    wanted = sorted({*events, *clicks, *spans})
    proof.days = len(wanted)
    for done, day in enumerate(wanted):
        await on_progress(done, len(wanted))
        async with connection.transaction(isolation="repeatable_read"):
            await connection.execute(_SETTINGS)
            if day in events:
                await compare_events(connection, day, proof)
            if day in clicks:
                await compare_clicks(connection, day, proof)
            await compare_day(connection, day, proof, with_sketches=day in events)
    for monday in await closed_weeks(connection):
        if monday >= first:
            async with connection.transaction(isolation="repeatable_read"):
                with_sketches = any(day in events for day in range(monday, monday + 7))
                await compare_week(connection, monday, proof, with_sketches=with_sketches)
    await on_progress(len(wanted), len(wanted))
    return Outcome(proof, to_restate)


def _within(raw: RawDays, first: int, proof: Proof, of: str) -> range:
    if raw.left_out and first < raw.first:
        proof.notes.append(
            f"{raw.left_out} days of {of} were left out: retention took raw rows of them, or may have"
        )
    return range(max(raw.first, first), raw.last + 1)
