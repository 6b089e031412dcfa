"""The spool of one edge: takes calls while there is room, and knows which segments wait for replay.

Writing them is `edge.spool.group_commit`'s, replaying them `edge.spool.replayer`'s.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import structlog

from edge.metrics import EdgeMetrics
from edge.spool.errors import SpoolFull, SpoolUnavailable
from edge.spool.folder import SpoolFolder
from edge.spool.group_commit import GroupCommit
from edge.spool.records import HEADER_BYTES, MAX_PAYLOAD_BYTES, RECORD_OVERHEAD_BYTES, Damage, record_bytes
from edge.spool.segments import Segment
from edge.spool.writer import SEGMENT_BYTES, SegmentWriter
from millrace.streams.spooled_call import SpooledCall

log = structlog.get_logger()

T = TypeVar("T")

# A spool without room for a call of this size is called full.
_USUAL_CALL_BYTES: Final = 1024


class Spool:
    """Appends calls to segments in a folder that other edges of the deployment may share.

    `max_bytes` bounds the records that this edge owns, its own and adopted ones, and what lies aside in the
    folder. An asynchronous context: leaving it syncs what was appended and lets go of the segments, which
    the next edge adopts. Belongs to the loop it was entered on.
    """

    def __init__(
        self, folder: Path, max_bytes: int, metrics: EdgeMetrics, *, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = SpoolFolder(folder)
        self._max_bytes = max_bytes
        self._counts = metrics.spool_calls
        self._writer = SegmentWriter(folder, segment_bytes)
        self._commit = GroupCommit(
            self._writer, metrics.spool_calls, on_sealed=self._own, on_lost=self._discount
        )
        # Not the writer's thread: reading a segment keeps nobody from the disk.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="spool reader")
        self._under_way: set[asyncio.Task[None]] = set()
        self._sealed: dict[str, Segment] = {}
        self._record_bytes = 0
        self._aside_bytes = 0
        self._has_folder = True
        self._is_closed = False
        self._said_full = False
        self.records = 0
        _show(self, metrics)

    @property
    def bytes_used(self) -> int:
        """Bytes of the records that this edge owns, on disk or on their way, and of what lies aside."""
        return self._record_bytes + self._aside_bytes

    @property
    def aside_bytes(self) -> int:
        """Bytes in the folder that were put aside, torn or refused, by any edge."""
        return self._aside_bytes

    @property
    def is_full(self) -> bool:
        """Whether an ordinary call would be turned away."""
        return self.bytes_used + RECORD_OVERHEAD_BYTES + _USUAL_CALL_BYTES > self._max_bytes

    @property
    def is_available(self) -> bool:
        """Whether the folder is there and the disk takes what it is given."""
        return self._has_folder and self._commit.is_available

    @property
    def is_in_use(self) -> bool:
        """Whether there are calls that have not been replayed."""
        return self.records > 0 or bool(self._sealed)

    @property
    def state(self) -> str:
        """A word for `/readyz`: `up`, `in use`, `full` or `unavailable`."""
        if not self.is_available:
            return "unavailable"
        if self.is_full:
            return "full"
        return "in use" if self.is_in_use else "up"

    @property
    def oldest_age_seconds(self) -> float:
        """How long ago the oldest segment was begun; 0 when there is none."""
        begun = [segment.created_ms for segment in self._sealed.values()]
        being_written = self._writer.begun_ms
        if being_written is not None:
            begun.append(being_written)
        return max(0.0, time.time() - min(begun) / 1000) if begun else 0.0

    @property
    def is_stalled(self) -> bool:
        """Whether the disk hangs: what is appended now is written when it goes on, if ever."""
        return self._commit.is_stalled

    def append(self, call: SpooledCall, *, late: bool = False) -> asyncio.Future[None]:
        """Take a call; the future is done once it is on disk, and fails with SpoolUnavailable otherwise.

        Raises SpoolFull or SpoolUnavailable at once when it cannot be taken, and ValueError for a call over
        8 MiB. `late`: take it also while the disk hangs; it is written when the disk goes on. Cancelling the
        future does not take the call back.
        """
        payload = call.encode()
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a spooled call has at most {MAX_PAYLOAD_BYTES} bytes, not {len(payload)}")
        size = record_bytes(payload)
        if self._is_closed:
            raise SpoolUnavailable("the spool was closed")
        if self.bytes_used + size > self._max_bytes:
            self._refuse_for_want_of_room()
        written = self._commit.submit(payload, late=late)
        self._record_bytes += size
        self.records += 1
        return written

    def segments(self) -> list[Segment]:
        """The segments that wait for replay, oldest first; those being written are not among them."""
        return [self._sealed[name] for name in sorted(self._sealed)]

    async def seal(self) -> None:
        """Close the segment being written, so that it can be replayed."""
        await self._commit.seal()

    async def adopt(self) -> None:
        """Take over segments whose owner is gone; see what lies aside, and whether the folder is usable.

        Whoever is cancelled while waiting for this, as for `finish`, does not stop it half-way.
        """
        await self._to_its_end(self._adopt())

    async def content(self, segment: Segment) -> bytes:
        """Read a segment whole. Raises OSError."""
        return await self._read(segment.content)

    async def finish(self, segment: Segment, refused: Sequence[bytes], torn: Sequence[Damage]) -> None:
        """Put aside what could not be replayed of a segment, then remove it. Raises OSError: try again."""
        await self._to_its_end(self._finish(segment, refused, torn))

    def give_up(self, segment: Segment) -> None:
        """Own a segment no longer, with all that it holds: whoever can read it adopts it."""
        segment.close()
        self._disown(segment)

    async def __aenter__(self) -> Self:
        await self.adopt()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._commit.close()
        self._reader.shutdown()
        for segment in self.segments():
            segment.close()
        if self.records:
            log.info("spool_left_to_the_next_edge", records=self.records, bytes=self.bytes_used)

    async def _adopt(self) -> None:
        owned, room = frozenset(self._sealed), self._max_bytes - self.bytes_used
        nothing = not self.is_in_use
        try:
            found = await self._read(lambda: self._folder.look(owned=owned, room=room, owns_nothing=nothing))
        except OSError as error:
            if self._has_folder:
                log.warning("spool_folder_unusable", folder=str(self._folder.path), error=str(error))
            self._has_folder = False
            return
        self._has_folder = True
        for segment in found.adopted:
            self._own(segment)
            self._record_bytes += segment.size - HEADER_BYTES
            self.records += segment.records
        self._aside_bytes = found.aside_bytes

    async def _finish(self, segment: Segment, refused: Sequence[bytes], torn: Sequence[Damage]) -> None:
        def finish() -> None:
            segment.put_aside(refused, torn)
            segment.remove()

        await self._read(finish)
        self._disown(segment)
        self._tell_end(segment, refused, torn)

    def _tell_end(self, segment: Segment, refused: Sequence[bytes], torn: Sequence[Damage]) -> None:
        name = segment.path.name
        if torn:
            self._counts["torn"] += len(torn)
            log.error("spool_segment_torn", segment=name, torn=[tuple(damage) for damage in torn[:20]])
        log.info("spool_segment_replayed", segment=name, refused=len(refused), torn=len(torn))

    def _own(self, segment: Segment) -> None:
        self._sealed[segment.path.name] = segment

    def _disown(self, segment: Segment) -> None:
        del self._sealed[segment.path.name]
        self._record_bytes -= segment.size - HEADER_BYTES
        self.records -= segment.records
        self._said_full = self._said_full and self.is_full

    def _discount(self, payload: bytes) -> None:
        self._record_bytes -= record_bytes(payload)
        self.records -= 1

    def _refuse_for_want_of_room(self) -> None:
        self._counts["full"] += 1
        if not self._said_full:
            self._said_full = True
            log.error("spool_full", bytes=self.bytes_used, records=self.records)
        raise SpoolFull(f"the spool has {self.bytes_used} of {self._max_bytes} bytes")

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)


def _show(spool: Spool, metrics: EdgeMetrics) -> None:
    gauge = metrics.gauge
    gauge("spool_bytes", "Bytes of spooled calls, with those put aside", lambda: spool.bytes_used)
    gauge("spool_records", "Calls that wait for replay", lambda: spool.records)
    gauge("spool_oldest_age_seconds", "Age of the oldest segment", lambda: spool.oldest_age_seconds)
    gauge("spool_aside_bytes", "Bytes of torn and refused calls put aside", lambda: spool.aside_bytes)
    gauge("spool_available", "0 while the disk does not take calls", lambda: spool.is_available)
    gauge("spool_full", "1 while calls are turned away for want of room", lambda: spool.is_full)
