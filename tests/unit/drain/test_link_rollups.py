from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from millrace.streams.ids import id_bytes_at
from millrace.streams.records import Click
from workers.drain.link_rollups import BUCKET_MS, RollupIncrement, tally

KINDS = {"human": (True, False), "unique": (True, True), "bot": (False, False)}
visits = st.tuples(st.integers(0, 3), st.integers(0, 5 * BUCKET_MS), st.sampled_from(sorted(KINDS)))


def made_click(link: int, at_ms: int, kind: str) -> Click:
    human, unique = KINDS[kind]
    return Click(
        click_id=id_bytes_at(at_ms),
        link_id=bytes([link]) * 16,
        partner_id=bytes(16),
        product_id=None,
        at_ms=at_ms,
        human=human,
        unique=unique,
        visitor=bytes(8),
        device="desktop",
        referrer_host=None,
        country="SE",
    )


@given(st.lists(visits, max_size=60))
def test_every_click_is_counted_once_in_key_order(made: list[tuple[int, int, str]]) -> None:
    """Humans and bots add up to the clicks, uniques are humans, and keys rise strictly."""
    increments = tally(made_click(*visit) for visit in made)
    kinds = Counter(kind for _, _, kind in made)
    assert sum(each.human for each in increments) == kinds["human"] + kinds["unique"]
    assert sum(each.unique for each in increments) == kinds["unique"]
    assert sum(each.bot for each in increments) == kinds["bot"]
    keys = [(each.link_id, each.bucket) for each in increments]
    assert keys == sorted(set(keys))


def test_quarter_hours() -> None:
    """The last millisecond of a quarter hour belongs to it, the next one does not."""
    increments = tally([made_click(1, BUCKET_MS - 1, "human"), made_click(1, BUCKET_MS, "bot")])
    link = bytes([1]) * 16
    assert increments == [RollupIncrement(link, 0, 1, 0, 0), RollupIncrement(link, 1, 0, 0, 1)]
