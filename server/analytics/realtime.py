"""The use case of the running minutes: live counters of Redis, today by the program's own calendar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from millrace.streams.keys import StreamKeys
from millrace.streams.live import (
    BOT_CLICK,
    BOT_EVENT,
    HUMAN_CLICK,
    TYPE_LETTERS,
    UNIQUE_CLICK,
    LiveHour,
    read_live,
)
from millrace.streams.redis_pipe import PipeliningRedis, RedisFailure
from server.analytics.asking import FindTimeZone
from server.analytics.errors import StreamUnavailable, refused_range
from server.analytics.ranges import BadRange, day_start, read_zone

SHOWN_MINUTES: Final = 60
_MINUTE: Final = timedelta(minutes=1)
_NONE: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What happened, of people but for what bots did."""

    page_views: int
    product_views: int
    click_events: int
    add_to_cart: int
    purchases: int
    searches: int
    bot_events: int
    clicks: int
    unique_clicks: int
    bot_clicks: int


@dataclass(frozen=True, slots=True)
class Realtime:
    """The last minutes, oldest first, and today. `replayed`: the most that may be missing in their hours."""

    as_of: datetime
    timezone: str
    today_start: datetime
    today: LiveFigures
    minutes: Sequence[tuple[datetime, LiveFigures]]
    replayed: int


class RealtimeService:
    """Constructor: where the live counters are, and who knows the program's time zone."""

    def __init__(self, redis: PipeliningRedis, keys: StreamKeys, *, find_time_zone: FindTimeZone) -> None:
        self._redis = redis
        self._keys = keys
        self._find_time_zone = find_time_zone

    async def read(self) -> Realtime:
        """What is counted up to now; raises StreamUnavailable."""
        now = datetime.now(UTC)
        name = await self._find_time_zone()
        try:
            today_start = day_start(now, read_zone(name))
        except BadRange as bad:
            raise refused_range(bad) from bad
        running = now.replace(second=0, microsecond=0)
        shown = [running - _MINUTE * back for back in range(SHOWN_MINUTES - 1, -1, -1)]
        first = _hour(min(today_start, shown[0]))
        try:
            hours = await read_live(self._redis, self._keys, range(first, _hour(running) + 1))
        except RedisFailure as failure:
            raise StreamUnavailable from failure
        return Realtime(
            as_of=now,
            timezone=name,
            today_start=today_start,
            today=_figures(_minutes_from(hours, today_start)),
            minutes=[(at, _figures([_minute(hours, at)])) for at in shown],
            replayed=sum(each.replayed_clicks + each.replayed_events for each in hours.values()),
        )


def _hour(at: datetime) -> int:
    return int(at.timestamp()) // 3600


def _minute(hours: Mapping[int, LiveHour], at: datetime) -> Mapping[str, int]:
    return hours[_hour(at)].minutes.get(at.minute, _NONE)


def _minutes_from(hours: Mapping[int, LiveHour], start: datetime) -> list[Mapping[str, int]]:
    """The counters of every minute from `start` on."""
    first_hour = _hour(start)
    return [
        counts
        for hour, live in hours.items()
        for minute, counts in live.minutes.items()
        if hour > first_hour or (hour == first_hour and minute >= start.minute)
    ]


def _figures(minutes: Iterable[Mapping[str, int]]) -> LiveFigures:
    sums: dict[str, int] = {}
    for counts in minutes:
        for letter, number in counts.items():
            sums[letter] = sums.get(letter, 0) + number
    of_type = {name: sums.get(letter, 0) for name, letter in TYPE_LETTERS.items()}
    return LiveFigures(
        page_views=of_type["page_view"],
        product_views=of_type["product_view"],
        click_events=of_type["click"],
        add_to_cart=of_type["add_to_cart"],
        purchases=of_type["purchase"],
        searches=of_type["search"],
        bot_events=sums.get(BOT_EVENT, 0),
        clicks=sums.get(HUMAN_CLICK, 0),
        unique_clicks=sums.get(UNIQUE_CLICK, 0),
        bot_clicks=sums.get(BOT_CLICK, 0),
    )
