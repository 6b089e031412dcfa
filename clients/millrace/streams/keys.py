"""Every Redis key Millrace uses, and which shard a link lives on. No other module spells a key."""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

# The consumer group through which drains read the click streams.
GROUP: Final = "drain"

# The only field of a stream entry; its value is one encoded record.
RECORD_FIELD: Final = "r"

# Dedupe buckets of one day, over all shards: at 25 million uniques a day each stays below the 512
# entries under which Redis keeps a hash as one compact listpack.
SEEN_BUCKETS: Final = 65_536

MAX_SHARDS: Final = 100


class StreamKeys:
    """Names the keys of one deployment, as bytes ready to send.

    Keys of one shard share a hash tag, ``{cNN}`` for clicks, ``{eNN}`` for events, so that one function call
    touches one cluster slot. Changing ``shards`` moves links and sessions to others: drain the streams first.
    """

    def __init__(self, prefix: str = "mr", shards: int = 1) -> None:
        if not 1 <= shards <= MAX_SHARDS:
            raise ValueError(f"shards must be 1 to {MAX_SHARDS}, not {shards}")
        if not prefix or not prefix.isascii() or set(prefix) & set("{} \r\n"):
            raise ValueError(f"a key prefix is ASCII without braces or spaces, not {prefix!r}")
        self.prefix = prefix
        self.shards = shards
        self._buckets_per_shard = SEEN_BUCKETS // shards
        tags = [f"{prefix}:{{c{shard:02d}}}".encode() for shard in range(shards)]
        self._clicks = [tag + b":clicks" for tag in tags]
        self._seen = [tag + b":s:%d:%d" for tag in tags]
        self._live = [tag + b":live:%d" for tag in tags]
        event_tags = [f"{prefix}:{{e{shard:02d}}}".encode() for shard in range(shards)]
        self._events = [tag + b":events" for tag in event_tags]
        self._events_seen = [tag + b":s:%d:%d" for tag in event_tags]
        self._events_live = [tag + b":live:%d" for tag in event_tags]
        self._rates = f"{prefix}:rate:".encode()
        self._link = f"{prefix}:link:".encode()
        self._wakeups = f"{prefix}:{{jobs}}:wake:".encode()

    def shard_of(self, link_id: bytes) -> int:
        """The shard of a link: CRC16 (the polynomial of Redis Cluster) of its 16-byte id, modulo shards."""
        return crc_hqx(link_id, 0) % self.shards

    def clicks(self, shard: int) -> bytes:
        """The click stream of a shard."""
        return self._clicks[shard]

    def seen(self, shard: int, day: int, bucket: int) -> bytes:
        """The hash of visitors seen on a UTC day (days since 1970).

        ``bucket`` is any 16-bit number; several shards fold it onto each one's part of the buckets.
        """
        return self._seen[shard] % (day, bucket % self._buckets_per_shard)

    def live(self, shard: int, hour: int) -> bytes:
        """The hash of live counters of a UTC hour (hours since 1970)."""
        return self._live[shard] % hour

    def all_clicks(self) -> list[bytes]:
        """The click streams of all shards."""
        return list(self._clicks)

    def event_shard_of(self, session_id: str) -> int:
        """The shard of a session's events: CRC16 of its id in UTF-8, modulo shards."""
        return 0 if self.shards == 1 else crc_hqx(session_id.encode(), 0) % self.shards

    def events(self, shard: int) -> bytes:
        """The event stream of a shard."""
        return self._events[shard]

    def all_events(self) -> list[bytes]:
        """The event streams of all shards."""
        return list(self._events)

    def events_seen(self, shard: int, day: int, bucket: int) -> bytes:
        """The hash of client ids of events seen on a UTC day; days and buckets as in `seen`."""
        return self._events_seen[shard] % (day, bucket % self._buckets_per_shard)

    def events_seen_since(self, shard: int, day: int, bucket: int) -> tuple[bytes, bytes]:
        """The hash of that day, and the one of the day before."""
        bucket %= self._buckets_per_shard
        seen = self._events_seen[shard]
        return seen % (day, bucket), seen % (day - 1, bucket)

    def events_live(self, shard: int, hour: int) -> bytes:
        """The hash of live counters of events that occurred in a UTC hour (hours since 1970)."""
        return self._events_live[shard] % hour

    def rate(self, caller: bytes) -> bytes:
        """The rate limit's state of a caller, by whatever stands for it."""
        return self._rates + caller.hex().encode()

    def link(self, code: str) -> bytes:
        """The published snapshot of a link, by its normalised code. Untagged: links spread over all slots."""
        return self._link + code.encode(errors="surrogatepass")

    def wakeups(self, queue: str) -> bytes:
        """The list through which workers learn that a job queue has work; one slot for all queues."""
        return self._wakeups + queue.encode()
