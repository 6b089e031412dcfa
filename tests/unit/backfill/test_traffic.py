from __future__ import annotations

from workers.backfill.chance import DAY_MS
from workers.backfill.traffic import PromotedLink, clicks_of_day, popularity

LINK = PromotedLink(bytes(range(16)), bytes(16), "a-product")
DAY = 20_780


def test_same_clicks_every_time() -> None:
    """The same link and day give the same clicks, ids included; another link gives others."""
    made = clicks_of_day(LINK, DAY, mean_clicks=50)
    assert made == clicks_of_day(LINK, DAY, mean_clicks=50)
    other = clicks_of_day(LINK._replace(link_id=bytes(16)), DAY, mean_clicks=50)
    assert not {click.click_id for click in made} & {click.click_id for click in other}


def test_within_the_day_and_in_order() -> None:
    """Every click lies in its day, carries its time in its id, and follows the one before."""
    made = clicks_of_day(LINK, DAY, mean_clicks=300)
    assert all(click.at_ms // DAY_MS == DAY for click in made)
    assert all(int.from_bytes(click.click_id[:6], "big") == click.at_ms for click in made)
    assert [click.at_ms for click in made] == sorted(click.at_ms for click in made)


def test_believable_shares() -> None:
    """Some bots, which are never unique; some people come again; evenings are busier than nights."""
    made = [click for day in range(DAY, DAY + 7) for click in clicks_of_day(LINK, day, mean_clicks=500)]
    humans = [click for click in made if click.human]
    assert 0.05 < 1 - len(humans) / len(made) < 0.2
    assert not any(click.unique for click in made if not click.human)
    assert 0.6 < sum(click.unique for click in humans) / len(humans) < 0.95
    hours = [click.at_ms // 3_600_000 % 24 for click in made]
    assert sum(19 <= hour < 22 for hour in hours) > 5 * sum(2 <= hour < 5 for hour in hours)


def test_popularity_bounds() -> None:
    """Links differ, between 0.3 and 3 times an ordinary one."""
    values = [popularity(bytes([each]) * 16) for each in range(200)]
    assert 0.3 <= min(values) < 0.4
    assert 2 < max(values) <= 3
