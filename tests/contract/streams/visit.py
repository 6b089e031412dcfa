"""One visit of a link as the edge would record it, with hashes a test chooses."""

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from millrace.streams.functions import CLICK, REPLAY_CLICK
from millrace.streams.ids import id_time_ms, new_id_bytes
from millrace.streams.keys import StreamKeys
from millrace.streams.records import Click, encode_click
from millrace.streams.redis_pipe import PipeliningRedis

MINUTES_A_DAY = 1440


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visitor on a link. Its hash differs from day to day, as the edge's does."""

    link_id: bytes = field(default_factory=new_id_bytes)
    visitor: bytes = field(default_factory=lambda: os.urandom(4))
    human: bool = True
    product_id: str | None = "48213"
    referrer_host: str | None = "www.example-reviews.com"

    def hash_on(self, day: int) -> bytes:
        """Nine bytes: two for the bucket, seven for the field."""
        return blake2b(self.link_id + self.visitor, key=b"day %d" % day, digest_size=9).digest()

    def bucket(self, keys: StreamKeys, day: int) -> bytes:
        """The key of the day's bucket."""
        return keys.seen(keys.shard_of(self.link_id), day, int.from_bytes(self.hash_on(day)[:2], "big"))

    def field_on(self, day: int) -> bytes:
        """The field in the day's bucket."""
        return self.hash_on(day)[2:]

    def keys_of_call(self, keys: StreamKeys, hour: int, live_hour: int | None = None) -> list[bytes]:
        """The four keys of the call in that hour; the click's own is the same unless given."""
        day, shard = hour // 24, keys.shard_of(self.link_id)
        return [
            keys.clicks(shard),
            self.bucket(keys, day),
            self.bucket(keys, day - 1),
            keys.live(shard, hour if live_hour is None else live_hour),
        ]

    def click(self) -> Click:
        """A new click of this visit."""
        click_id = new_id_bytes()
        return Click(
            click_id=click_id,
            link_id=self.link_id,
            partner_id=b"partner-id-bytes",
            product_id=self.product_id,
            at_ms=id_time_ms(click_id),
            human=self.human,
            unique=False,
            visitor=blake2b(self.visitor, digest_size=8).digest(),
            device="desktop" if self.human else "bot",
            referrer_host=self.referrer_host,
            country="DE",
        )

    async def call(
        self, redis: PipeliningRedis, keys: StreamKeys, hour: int, clicked_minute: int | None = None
    ) -> list[Any]:
        """One call for the given hour, whatever the hour really is; the function's raw answer.

        `clicked_minute`: when the click says it happened, in minutes since 1970; now, unless given.
        """
        day, click = hour // 24, self.click()
        minute = click.at_ms // 60_000 if clicked_minute is None else clicked_minute
        answer: list[Any] = await redis.fcall(
            CLICK,
            self.keys_of_call(keys, hour, minute // 60),
            [
                day,
                self.field_on(day),
                self.field_on(day - 1),
                encode_click(click),
                int(self.human),
                minute % 60,
            ],
        )
        return answer

    async def replay(self, redis: PipeliningRedis, keys: StreamKeys, clicked_minute: int) -> bool:
        """Replays a click of that minute since 1970 from a spool and returns whether it was unique."""
        day, shard = clicked_minute // MINUTES_A_DAY, keys.shard_of(self.link_id)
        answer = await redis.fcall(
            REPLAY_CLICK,
            [
                keys.clicks(shard),
                *(self.bucket(keys, each) for each in (day, day - 1, day + 1)),
                keys.live(shard, clicked_minute // 60),
            ],
            [
                clicked_minute,
                *(self.field_on(each) for each in (day, day - 1, day + 1)),
                encode_click(self.click()),
                int(self.human),
            ],
        )
        return bool(answer[0])

    async def record(self, redis: PipeliningRedis, keys: StreamKeys) -> bool:
        """Records a click now and returns whether it was unique."""
        while True:
            answer = await self.call(redis, keys, await redis_minute(redis) // 60)
            if answer[0] >= 0:
                return bool(answer[0])


async def redis_minute(redis: PipeliningRedis) -> int:
    """The minute it is in Redis, counted from 1970."""
    seconds, _ = await redis.execute("TIME")
    return int(seconds) // 60
