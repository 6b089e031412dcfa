"""One stream as seen by one consumer of the group: reading, acknowledging, taking over from the dead.

All replies are raw: redis-py's friendlier shapes cost more than the rest of a read.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

from hiredis import pack_command
from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, ResponseError

from millrace.streams.keys import GROUP

# Few enough entries for one statement of PostgreSQL, and for what a drain may hold in memory.
BATCH_ENTRIES: Final = 5_000
BATCH_BYTES: Final = 4 << 20
# Bounds how late the takeover timer and a request to stop are noticed on an idle stream.
BLOCK_MS: Final = 500
SOCKET_SECONDS: Final = 5.0
READ_BYTES: Final = 1 << 18
# A drain asks at least every BLOCK_MS; one that is silent for this long is dead, or too slow to wait for.
DEAD_AFTER_MS: Final = 15_000

# As XREADGROUP gives them: id, then names and values in turn, or None when the entry is gone from the stream.
Entry = tuple[bytes, Sequence[bytes] | None]

# Deleting a consumer forgets its pending entries, so "has none" and "delete" must be one step.
_DELETE_IF_EMPTY: Final = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
"""


def consumer_name() -> str:
    """A name that no other process has or had: an heir must never be taken for the one it inherits from."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class PackingConnection(Connection):
    """Packs commands in C: packing ten thousand ids in Python costs as much as reading them did."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name, *arguments = args
        return [pack_command((*name.split(), *arguments))]


def open_redis(url: str) -> Redis:
    """A client for the drain, closed by the caller.

    It retries nothing by itself: a read that is repeated blindly leaves behind the entries of the first try.
    """
    client: Redis = Redis.from_url(
        url,
        protocol=2,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        socket_read_size=READ_BYTES,
        connection_class=PackingConnection,  # rediss:// overrides it
    )
    for command in ("XREADGROUP", "XCLAIM", "XINFO CONSUMERS", "XPENDING"):
        client.set_response_callback(command, _as_it_came)
    return client


def _as_it_came(response: Any, **_options: Any) -> Any:
    return response


class Read(NamedTuple):
    """What a read brought; `full`: it stopped at a bound, so there is likely to be more."""

    entries: list[Entry]
    full: bool


class RecordStream:
    """The consumer's side of one stream. Raises redis-py's errors; `retries.REDIS_FAILURES` names them.

    `entries_per_read`: what one command may bring, so that entries of the largest size still fit in memory.
    """

    def __init__(
        self, redis: Redis, key: bytes, consumer: str, *, entries_per_read: int = BATCH_ENTRIES
    ) -> None:
        self._redis = redis
        self._key = key
        self._consumer = consumer.encode()
        self._entries_per_read = entries_per_read
        self.name = key.decode()

    async def join(self) -> None:
        """Make the stream and its group where they are missing. A new group starts at the oldest entry."""
        try:
            await self._command("XGROUP CREATE", self._key, GROUP, "0", "MKSTREAM")
        except OutOfMemoryError:
            # A full Redis refuses this before it looks whether the group is there, yet allows reading and
            # deleting, which make room again. This raises when the group is really missing.
            await self._command("XINFO CONSUMERS", self._key, GROUP)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def read_new(self, wanted: int) -> Read:
        """Up to `wanted` entries that no consumer has had, waiting up to BLOCK_MS for the first.

        No further command follows once BATCH_BYTES are there.
        """
        entries: list[Entry] = []
        size = 0
        block: tuple[str | int, ...] = ("BLOCK", BLOCK_MS)
        while len(entries) < wanted and size < BATCH_BYTES:
            asked = min(wanted - len(entries), self._entries_per_read)
            more = await self._read(b">", asked, *block)
            entries += more
            if len(more) < asked:
                return Read(entries, full=False)
            size += sum([len(fields[-1]) for _, fields in more if fields])
            block = ()
        return Read(entries, full=True)

    async def read_own_pending(self) -> AsyncIterator[list[Entry]]:
        """Entries this consumer was given and has not acknowledged, each once, oldest first."""
        after = b"0"
        while entries := await self._read(after, self._entries_per_read):
            yield entries
            after = entries[-1][0]

    async def _read(self, after: bytes, count: int, *options: str | int) -> list[Entry]:
        reply = await self._command(
            "XREADGROUP", "GROUP", GROUP, self._consumer, "COUNT", count, *options,
            "STREAMS", self._key, after,
        )  # fmt: skip
        return reply[0][1] if reply else []

    async def acknowledge(self, entry_ids: Sequence[bytes]) -> None:
        """Take entries from the group and from the stream in one step, whoever holds them now."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xack(self._key, GROUP, *entry_ids)
            pipe.xdel(self._key, *entry_ids)
            await pipe.execute()

    async def take_over(self) -> AsyncIterator[list[Entry]]:
        """Claim the pending entries of consumers that have gone silent, batch by batch.

        A consumer found with nothing pending is deleted. Entries of live consumers are theirs, however long
        they are pending: those of an unknown version wait there without travelling from drain to drain.
        """
        for consumer in await self._silent_consumers():
            after = b"-"
            while pending := await self._pending_of(consumer, after):
                after = b"(" + pending[-1]
                claimed = await self._command(
                    "XCLAIM", self._key, GROUP, self._consumer, DEAD_AFTER_MS, *pending
                )
                if claimed:
                    yield claimed
            await self._delete_if_empty(consumer)

    async def leave(self) -> None:
        """Delete this consumer, unless it still has entries pending for others to take over."""
        await self._delete_if_empty(self._consumer)

    async def _command(self, *words: str | bytes | int) -> Any:
        return await self._redis.execute_command(*words)  # type: ignore[no-untyped-call]

    async def _silent_consumers(self) -> list[bytes]:
        replies = await self._command("XINFO CONSUMERS", self._key, GROUP)
        consumers = [dict(zip(reply[::2], reply[1::2], strict=True)) for reply in replies]
        return [
            each[b"name"]
            for each in consumers
            if each[b"idle"] >= DEAD_AFTER_MS and each[b"name"] != self._consumer
        ]

    async def _pending_of(self, consumer: bytes, after: bytes) -> list[bytes]:
        rows = await self._command("XPENDING", self._key, GROUP, after, "+", self._entries_per_read, consumer)
        return [row[0] for row in rows]

    async def _delete_if_empty(self, consumer: bytes) -> None:
        await self._command("EVAL", _DELETE_IF_EMPTY, 1, self._key, GROUP, consumer)
