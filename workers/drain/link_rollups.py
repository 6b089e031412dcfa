"""Counting clicks by link and quarter hour, and adding them to the links' rollups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from asyncpg.pgproto.pgproto import UUID

from millrace.streams.records import Click
from server.affiliate.click_columns import LINK_CLICK_ROLLUPS, ROLLUP_BUCKET_SECONDS, ROLLUP_COLUMNS

BUCKET_MS: Final = ROLLUP_BUCKET_SECONDS * 1000

# Rows are locked in key order by every drain, so that no two wait for each other in a circle.
_ADD: Final = f"""
    INSERT INTO {LINK_CLICK_ROLLUPS} AS kept ({", ".join(ROLLUP_COLUMNS)})
    SELECT link_id, timestamptz 'epoch' + bucket * interval '{ROLLUP_BUCKET_SECONDS} s', human, uniq, bot
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        AS added (link_id, bucket, human, uniq, bot)
    ORDER BY link_id, bucket
    ON CONFLICT (link_id, bucket_start) DO UPDATE SET
        human_clicks = kept.human_clicks + excluded.human_clicks,
        unique_clicks = kept.unique_clicks + excluded.unique_clicks,
        bot_clicks = kept.bot_clicks + excluded.bot_clicks
"""  # noqa: S608 - constants of ours


class RollupIncrement(NamedTuple):
    """What a batch adds to one row; `bucket` counts quarter hours from 1970."""

    link_id: bytes
    bucket: int
    human: int
    unique: int
    bot: int


def tally(clicks: Iterable[Click], found_unique: Iterable[Click] = ()) -> list[RollupIncrement]:
    """The increments in key order, in which all drains lock the rows.

    `found_unique`: people's clicks that were counted before, as not unique.
    """
    # Counting whole tuples runs in C; telling the kinds apart afterwards is work per row of the result only.
    counted = Counter(
        [(click.link_id, click.at_ms // BUCKET_MS, click.human, click.unique) for click in clicks]
    )
    sums: dict[tuple[bytes, int], list[int]] = {}
    for (link_id, bucket, human, unique), number in counted.items():
        human_unique_bot = sums.setdefault((link_id, bucket), [0, 0, 0])
        human_unique_bot[0 if human else 2] += number
        if human and unique:
            human_unique_bot[1] += number
    for click in found_unique:
        sums.setdefault((click.link_id, click.at_ms // BUCKET_MS), [0, 0, 0])[1] += 1
    return [RollupIncrement(*key, *sums[key]) for key in sorted(sums)]


async def add_to_links(connection: Any, clicks: Iterable[Click], found_unique: Iterable[Click] = ()) -> None:
    """Add clicks, each of them counted once, to their links' quarter hours; `found_unique` as in `tally`."""
    increments = tally(clicks, found_unique)
    if increments:
        link_ids, *counts = zip(*increments, strict=True)
        await connection.execute(_ADD, [UUID(each) for each in link_ids], *counts)
