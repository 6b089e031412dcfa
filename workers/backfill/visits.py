"""Inventing a day of visits as the events they leave: who came, how, and what happened. No I/O lives here.

The events and their ids depend on day, shop and clicks alone: inventing them again gives the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from millrace.streams.event_records import StreamEvent
from millrace.streams.records import Click
from workers.backfill.chance import COUNTRIES, DAY_MS, DEVICES, chance_of, id_at, one_of, times_of_day
from workers.backfill.entrances import PARTNER_QUERY, Entrance, some_entrance
from workers.backfill.shop import Shop
from workers.backfill.walks import Step, crawl, walk

_ARRIVING_SHARE: Final = 0.88  # of those who click on a link, some close the page before it is there
_LOADING_MS: Final = (300, 2_500)
_BOT_SHARE: Final = 0.09
_LOGGED_IN_SHARE: Final = 0.2
_CUSTOMERS: Final = 240
# Half of them land on the product that they looked for.
_DEEP_LANDING_SHARE: Final = 0.5

_json: Final = msgspec.json.Encoder().encode


class Visitor(NamedTuple):
    """Whoever comes, as the events of the visit name it."""

    session_id: str
    user_id: str | None
    human: bool
    device: str
    country: str
    referrer: str | None


def visits_of_day(shop: Shop, day: int, clicks: Iterable[Click], *, mean_visits: float) -> list[StreamEvent]:
    """The events of a UTC day, counted from 1970, in order of their ids, which carry their times.

    `clicks` are those on affiliate links that day: most people among them arrive in the shop a moment later.
    `mean_visits` is how many others come on an ordinary day. Midnight ends every visit.
    """
    events = [
        event
        for visit in (*_from_links(shop, day, clicks), *_others(shop, day, mean_visits))
        for event in visit
        if event.occurred_ms // DAY_MS == day
    ]
    events.sort(key=attrgetter("event_id"))
    return events


def _from_links(shop: Shop, day: int, clicks: Iterable[Click]) -> Iterator[list[StreamEvent]]:
    for click in clicks:
        chance = chance_of(click.click_id, day)
        if not click.human or chance.random() > _ARRIVING_SHARE:
            continue
        product = shop.product(click.product_id)
        visitor = Visitor(
            session_id=_session_id(chance),
            # The same person has the same account, or never has one.
            user_id=_user_id(random.Random(click.visitor)),  # noqa: S311 - repeatable on purpose
            human=True,
            device=click.device,
            country=click.country,
            referrer=click.referrer_host and f"https://{click.referrer_host}/",
        )
        steps = walk(chance, shop, first=product, query="" if product else PARTNER_QUERY)
        yield _events(chance, visitor, click.at_ms + chance.randrange(*_LOADING_MS), steps)


def _others(shop: Shop, day: int, mean_visits: float) -> Iterator[list[StreamEvent]]:
    chance = chance_of(b"visits", day)
    for time_ms in times_of_day(chance, day, mean_visits):
        starts_ms = day * DAY_MS + time_ms
        if chance.random() < _BOT_SHARE:
            bot = Visitor(_session_id(chance), None, human=False, device="bot", country="US", referrer=None)
            yield _events(chance, bot, starts_ms, crawl(chance, shop))
            continue
        entrance = some_entrance(chance)
        yield _events(chance, _somebody(chance, entrance), starts_ms, _stroll(chance, shop, entrance))


def _stroll(chance: random.Random, shop: Shop, entrance: Entrance) -> list[Step]:
    first = shop.find(chance) if chance.random() < _DEEP_LANDING_SHARE else None
    return walk(chance, shop, first=first, query=entrance.query)


def _somebody(chance: random.Random, entrance: Entrance) -> Visitor:
    return Visitor(
        session_id=_session_id(chance),
        user_id=_user_id(chance),
        human=True,
        device=one_of(chance, DEVICES),
        country=one_of(chance, COUNTRIES),
        referrer=entrance.referrer,
    )


def _session_id(chance: random.Random) -> str:
    return f"demo-{chance.getrandbits(64):016x}"


def _user_id(chance: random.Random) -> str | None:
    if chance.random() >= _LOGGED_IN_SHARE:
        return None
    return f"customer-{chance.randrange(_CUSTOMERS):03d}"


def _events(
    chance: random.Random, visitor: Visitor, starts_ms: int, steps: Sequence[Step]
) -> list[StreamEvent]:
    return [_event(chance, visitor, starts_ms + step.after_ms, step) for step in steps]


def _event(chance: random.Random, visitor: Visitor, at_ms: int, step: Step) -> StreamEvent:
    return StreamEvent(
        event_id=id_at(chance, at_ms),
        client_id=None,
        type=step.type,
        session_id=visitor.session_id,
        user_id=visitor.user_id,
        product_id=step.product_id,
        url=step.url,
        referrer=visitor.referrer,
        metadata=_json(step.metadata) if step.metadata else None,
        occurred_ms=at_ms,
        received_ms=at_ms,
        clamped=False,
        human=visitor.human,
        device=visitor.device,
        country=visitor.country,
    )
