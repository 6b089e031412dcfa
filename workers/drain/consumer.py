"""The loop of one shard: read, decode, write, acknowledge; recover, take over, go on after every failure."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import structlog

from workers.drain.dead_letters import DeadLetter
from workers.drain.decoding import DecodedBatch, decode_entries
from workers.drain.isolation import write_isolating
from workers.drain.metrics import DrainMetrics
from workers.drain.rows import Counted, Fact
from workers.drain.steps import OnStep, go_on
from workers.drain.stream import BATCH_ENTRIES, Entry, RecordStream
from workers.drain.writer import RowWriter, Written
from workers.health import Health
from workers.retries import POSTGRES_FAILURES, REDIS_FAILURES, pauses, wait_unless

# Large enough to make commits cheap, small enough to be done in a moment.
BATCH_ROWS: Final = 5_000
# The first record after a quiet moment is stored at once; those behind it gather this long, so that a
# thousand a second cost ten commits and not hundreds.
LINGER_SECONDS: Final = 0.1
# Silence of DEAD_AFTER_MS plus this is the longest that a dead drain's entries wait.
TAKE_OVER_SECONDS: Final = 5.0

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class StoppedError(Exception):
    """The process was asked to stop while a batch could not be written; its entries stay pending."""


class Stored(NamedTuple):
    """A batch that is committed, with the ids that Redis may now forget."""

    finished: list[bytes]
    written: Written
    dead_letters: list[DeadLetter]
    read_at: float


class Decoded(NamedTuple, Generic[Fact, Counted]):
    """A batch that was read, at a time of the monotonic clock."""

    batch: DecodedBatch[Fact, Counted]
    read_at: float


class ShardDrain(Generic[Fact, Counted]):
    """Drains one stream into PostgreSQL; nobody else may use its stream and writer, which others close.

    Reading, writing and acknowledging are three tasks in a row with one batch between each two, so that the
    drain, Redis and PostgreSQL work at the same time. A failure of Redis ends all three; what was under way
    is read again.
    """

    def __init__(
        self,
        stream: RecordStream,
        writer: RowWriter[Fact, Counted],
        *,
        metrics: DrainMetrics,
        health: Health,
        on_step: OnStep = go_on,
    ) -> None:
        self._stream = stream
        self._writer = writer
        self._metrics = metrics
        self._health = health
        self._on_step = on_step
        self._log = log.bind(stream=stream.name)
        self._take_over_at = 0.0
        self._wanted_entries = _entries_for(writer.kind.rows_per_entry)

    async def run(self, stopping: asyncio.Event) -> None:
        """Drain until asked to stop; what was read is finished first when PostgreSQL lets it."""
        waits = pauses()
        while not stopping.is_set():
            try:
                await self._stream.join()
                self._health.report(f"redis {self._stream.name}", well=True)
                waits = pauses()
                await self._follow(stopping)
                await self._stream.leave()
            except* StoppedError:
                self._log.warning("stopped_with_entries_pending")
            except* REDIS_FAILURES as failures:
                self._writer.drop()  # its task may have been cancelled in the middle of a transaction
                self._note_failure("redis", failures.exceptions[0])
                await wait_unless(stopping, next(waits))

    async def _follow(self, stopping: asyncio.Event) -> None:
        # Before anything is read: making rows takes what the kind learns from PostgreSQL.
        await self._until_postgres_lets(self._writer.open, stopping)
        read: asyncio.Queue[Decoded[Fact, Counted] | None] = asyncio.Queue(1)
        stored: asyncio.Queue[Stored | None] = asyncio.Queue(1)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_batches(read, stopping))
            tasks.create_task(self._write_batches(read, stored, stopping))
            tasks.create_task(self._acknowledge_batches(stored))

    async def _read_batches(
        self, read: asyncio.Queue[Decoded[Fact, Counted] | None], stopping: asyncio.Event
    ) -> None:
        # What a failure left unacknowledged comes first; it may have been committed, and is then a replay.
        async for entries in self._stream.read_own_pending():
            await read.put(self._decode(entries))
        while not stopping.is_set():
            if time.monotonic() >= self._take_over_at:
                await self._take_over(read)
            entries, full = await self._stream.read_new(self._wanted_entries)
            if not entries:
                continue
            self._on_step("read")
            await read.put(self._decode(entries))
            if not full:
                await wait_unless(stopping, LINGER_SECONDS)
        await read.put(None)

    async def _take_over(self, read: asyncio.Queue[Decoded[Fact, Counted] | None]) -> None:
        async for entries in self._stream.take_over():
            self._log.info("entries_taken_over", entries=len(entries))
            self._metrics.taken_over.labels(self._stream.name).inc(len(entries))
            await read.put(self._decode(entries))
        # Jitter keeps several drains from asking in step.
        self._take_over_at = time.monotonic() + TAKE_OVER_SECONDS * random.uniform(0.7, 1.0)  # noqa: S311

    def _decode(self, entries: Sequence[Entry]) -> Decoded[Fact, Counted]:
        read_at = time.monotonic()
        batch = decode_entries(self._writer.kind, self._stream.name, entries, int(time.time() * 1000))
        self._on_step("decoded")
        if batch.unknown_versions:
            self._log.warning("unknown_versions_left_pending", entries=batch.unknown_versions)
            self._metrics.unknown_versions.labels(self._stream.name).inc(batch.unknown_versions)
        if batch.rows:
            self._wanted_entries = _entries_for(len(batch.rows) / len(entries))
        return Decoded(batch, read_at)

    async def _write_batches(
        self,
        read: asyncio.Queue[Decoded[Fact, Counted] | None],
        stored: asyncio.Queue[Stored | None],
        stopping: asyncio.Event,
    ) -> None:
        while (decoded := await read.get()) is not None:
            await stored.put(await self._store(decoded, stopping))
        await stored.put(None)

    async def _store(self, decoded: Decoded[Fact, Counted], stopping: asyncio.Event) -> Stored:
        batch = decoded.batch

        async def write() -> tuple[Written, list[DeadLetter]]:
            return await write_isolating(self._writer, self._stream.name, batch.rows, batch.dead_letters)

        written, letters = await self._until_postgres_lets(write, stopping)
        for letter in letters:
            self._note_letter(letter)
        return Stored(batch.finished, written, letters, decoded.read_at)

    async def _acknowledge_batches(self, stored: asyncio.Queue[Stored | None]) -> None:
        while (batch := await stored.get()) is not None:
            if batch.finished:
                await self._stream.acknowledge(batch.finished)
            self._on_step("acknowledged")
            self._metrics.count_batch(
                self._stream.name, batch.written, batch.dead_letters, time.monotonic() - batch.read_at
            )

    async def _until_postgres_lets(
        self, work: Callable[[], Awaitable[Result]], stopping: asyncio.Event
    ) -> Result:
        """Try until it is done; raises StoppedError once a try fails while the process is asked to stop."""
        for wait in pauses():
            try:
                result = await work()
            except POSTGRES_FAILURES as error:
                self._writer.drop()
                self._note_failure("postgres", error)
            else:
                self._health.report(f"postgres {self._stream.name}", well=True)
                return result
            await wait_unless(stopping, wait)
            if stopping.is_set():
                break
        raise StoppedError

    def _note_letter(self, letter: DeadLetter) -> None:
        place = {"entry_id": letter.entry_id, "position": letter.position}
        self._log.error("record_dead_lettered", **place, reason=letter.reason.value)

    def _note_failure(self, service: str, error: BaseException) -> None:
        self._health.report(f"{service} {self._stream.name}", well=False)
        self._metrics.failures.labels(self._stream.name, service).inc()
        self._log.warning(f"{service}_failed", error=type(error).__name__, detail=str(error)[:200])


def _entries_for(rows_per_entry: float) -> int:
    """How many entries make a batch."""
    return max(1, min(BATCH_ENTRIES, round(BATCH_ROWS / max(1.0, rows_per_entry))))
