"""Counting clicks by link and quarter hour before they are added to the rollups. No SQL lives here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter
from typing import Final, NamedTuple

from server.affiliate.click_columns import ROLLUP_BUCKET_SECONDS
from workers.drain.decoding import PendingClick

BUCKET_MS: Final = ROLLUP_BUCKET_SECONDS * 1000


class RollupIncrement(NamedTuple):
    """What a batch adds to one row; `bucket` counts quarter hours from 1970."""

    link_id: bytes
    bucket: int
    human: int
    unique: int
    bot: int


def tally(pending: Iterable[PendingClick]) -> list[RollupIncrement]:
    """The increments in key order, in which all drains lock the rows."""
    # Counting whole tuples runs in C; telling the kinds apart afterwards is work per row of the result only.
    counted = Counter(
        [
            (click.link_id, click.at_ms // BUCKET_MS, click.human, click.unique)
            for click in map(attrgetter("click"), pending)
        ]
    )
    sums: dict[tuple[bytes, int], list[int]] = {}
    for (link_id, bucket, human, unique), clicks in counted.items():
        human_unique_bot = sums.setdefault((link_id, bucket), [0, 0, 0])
        human_unique_bot[0 if human else 2] += clicks
        if human and unique:
            human_unique_bot[1] += clicks
    return [RollupIncrement(*key, *sums[key]) for key in sorted(sums)]
