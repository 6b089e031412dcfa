"""A function call put aside while Redis is away: what a spool keeps, and how it is made later."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from millrace.streams.redis_pipe import PipeliningRedis


class MalformedCall(ValueError):  # noqa: N818 - named for what is so
    """The bytes are no spooled call."""


class SpooledCall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One call of a function by its plain name, such as ``mr_replay_click``; safe to repeat.

    The name has no version, so that a later release can replay what an earlier one put aside: a replay
    function whose keys or arguments change gets a new name.
    """

    function: str
    keys: list[bytes]
    args: list[bytes | int]

    def encode(self) -> bytes:
        """The call as bytes."""
        return _encode(self)

    @classmethod
    def decode(cls, encoded: bytes) -> SpooledCall:
        """The call of those bytes; raises MalformedCall and nothing else."""
        try:
            return _decode(encoded)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedCall(str(error)) from error

    async def replay(self, redis: PipeliningRedis) -> Any:
        """Makes the call and answers its reply; raises RedisFailure."""
        return await redis.fcall(self.function, self.keys, self.args)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(SpooledCall).decode
