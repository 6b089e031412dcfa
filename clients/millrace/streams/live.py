"""The live counters: what the functions count by the minute, read for any hours, and restated from the truth.

A hash holds the counters of one shard and UTC hour, by the time that a click or an event carries itself, so a
closed hour can be compared with PostgreSQL. Hashes are kept until at least 49 hours after their hour's end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from millrace.streams.functions import RESTATE
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis

# Of clicks on affiliate links.
HUMAN_CLICK: Final = "h"
UNIQUE_CLICK: Final = "u"
BOT_CLICK: Final = "b"
CLICK_LETTERS: Final = HUMAN_CLICK + UNIQUE_CLICK + BOT_CLICK

# Of events: humans by type, bots all together.
TYPE_LETTERS: Final = {
    "page_view": "p",
    "product_view": "v",
    "click": "c",
    "add_to_cart": "a",
    "purchase": "y",
    "search": "s",
}
BOT_EVENT: Final = "z"
EVENT_LETTERS: Final = "".join(TYPE_LETTERS.values()) + BOT_EVENT

# How many came back from a spool, which the hour's other counters lack unless it was restated since.
REPLAYED: Final = "r"

# What occurred in an hour further than this from now is not counted; functions.lua names the same.
COUNTED_HOURS: Final = 48

# For each minute of an hour, 0 to 59, for each letter how many.
MinuteCounts: TypeAlias = Mapping[int, Mapping[str, int]]


class LiveHour(msgspec.Struct, frozen=True):
    """The counters of one UTC hour over all shards. `minutes` holds only what is not zero, by letter.

    `replayed_clicks` and `replayed_events` are the most by which `minutes` may fall short.
    """

    hour: int
    minutes: dict[int, dict[str, int]]
    replayed_clicks: int
    replayed_events: int

    def total(self, letter: str) -> int:
        """How many of that letter in the whole hour."""
        return sum(counts.get(letter, 0) for counts in self.minutes.values())


def live_field(minute: int, letter: str) -> bytes:
    """The field of a minute of the hour, 0 to 59, such as ``7p``."""
    return b"%d%b" % (minute, letter.encode())


def event_letter(type_: str, human: bool) -> str:
    """Which of EVENT_LETTERS counts such an event."""
    return TYPE_LETTERS[type_] if human else BOT_EVENT


async def read_live(redis: PipeliningRedis, keys: StreamKeys, hours: Iterable[int]) -> dict[int, LiveHour]:
    """The counters of those UTC hours (hours since 1970), shards added up; raises RedisFailure.

    An hour without any has an empty LiveHour, also when it is too long ago to be known.
    """
    wanted = list(dict.fromkeys(hours))
    shards = range(keys.shards)
    hashes = [keys.live(shard, hour) for hour in wanted for shard in shards]
    hashes += [keys.events_live(shard, hour) for hour in wanted for shard in shards]
    replies = await asyncio.gather(*(redis.execute("HGETALL", each) for each in hashes))
    of_clicks, of_events = replies[: len(replies) // 2], replies[len(replies) // 2 :]
    answer = {}
    for place, hour in enumerate(wanted):
        own = slice(place * keys.shards, (place + 1) * keys.shards)
        minutes: dict[int, dict[str, int]] = {}
        answer[hour] = LiveHour(hour, minutes, _add(of_clicks[own], minutes), _add(of_events[own], minutes))
    return answer


def _add(hashes: Iterable[list[bytes]], minutes: dict[int, dict[str, int]]) -> int:
    """Adds the counters of those hashes to `minutes` and returns how many were replayed."""
    replayed = 0
    for flat in hashes:
        for field, value in zip(flat[::2], flat[1::2], strict=True):
            name, number = field.decode(), int(value)
            if name == REPLAYED:
                replayed += number
                continue
            counts = minutes.setdefault(int(name[:-1]), {})
            counts[name[-1]] = counts.get(name[-1], 0) + number
    return replayed


async def restate(
    redis: PipeliningRedis, keys: StreamKeys, hour: int, shard: int, counts: MinuteCounts
) -> None:
    """Replaces what one shard says of an hour, clicks and events, and forgets its replays.

    Each of the two hashes changes in one step, not both at once. What is counted between the caller's look at
    the truth and this call is lost from the hash, so restate hours that are over. Raises RedisFailure.
    """
    await restate_clicks(redis, keys, hour, shard, counts)
    await restate_events(redis, keys, hour, shard, counts)


async def restate_clicks(
    redis: PipeliningRedis, keys: StreamKeys, hour: int, shard: int, counts: MinuteCounts
) -> None:
    """As `restate`, clicks alone; other letters are left out."""
    await redis.fcall(RESTATE, [keys.live(shard, hour)], _fields(counts, CLICK_LETTERS))


async def restate_events(
    redis: PipeliningRedis, keys: StreamKeys, hour: int, shard: int, counts: MinuteCounts
) -> None:
    """As `restate`, events alone; other letters are left out."""
    await redis.fcall(RESTATE, [keys.events_live(shard, hour)], _fields(counts, EVENT_LETTERS))


def _fields(counts: MinuteCounts, letters: str) -> list[bytes | int]:
    return [
        part
        for minute, of_minute in counts.items()
        for letter, number in of_minute.items()
        if number and letter in letters
        for part in (live_field(minute, letter), number)
    ]
