"""Syncs together what arrives together: all that waits when the disk is free makes the next group.

A disk that fails or hangs costs those who wait little, and those who come after nothing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import structlog

from edge.spool.errors import SpoolUnavailable
from edge.spool.records import record_bytes
from edge.spool.segments import Segment
from edge.spool.writer import SegmentWriter

log = structlog.get_logger()

# After the disk failed, records are turned away for this long before it is tried again.
AILING_SECONDS: Final = 1.0
# A group that takes the disk longer than this shows one that hangs; nobody else is made to wait for it.
STALLED_SECONDS: Final = 1.0
# After so long those who wait for the disk are told that it does not answer; it may write their records yet.
GIVE_UP_SECONDS: Final = 2.0
# Records that wait in memory for the disk.
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024


class _Waiting(NamedTuple):
    payload: bytes
    written: asyncio.Future[None]


class GroupCommit:
    """Writes payloads in a thread of its own and answers each when it is on disk.

    `on_sealed` is given the segments that are complete, `on_lost` the payloads that were taken and could not
    be written. Counts outcomes as `spooled` and `unavailable`.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        counts: Counter[str],
        *,
        on_sealed: Callable[[Segment], None],
        on_lost: Callable[[bytes], None],
    ) -> None:
        self._writer = writer
        self._counts = counts
        self._on_sealed = on_sealed
        self._on_lost = on_lost
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool writer")
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._write_began_at: float | None = None
        self._ailing_until = 0.0
        self._is_ailing = False

    @property
    def is_available(self) -> bool:
        """Whether the disk took what it was last given, and is not late now."""
        return not self._is_ailing and not self.is_stalled

    @property
    def is_stalled(self) -> bool:
        """Whether the disk has been busy with one group for longer than it may."""
        began_at = self._write_began_at
        return began_at is not None and time.monotonic() - began_at > STALLED_SECONDS

    def submit(self, payload: bytes, *, late: bool = False) -> asyncio.Future[None]:
        """Take a payload; the future is done once it is on disk, and fails with SpoolUnavailable otherwise.

        Raises SpoolUnavailable at once while the disk is known not to take any. `late`: not when it only
        hangs, for a payload that may get there whenever it does.
        """
        size = record_bytes(payload)
        is_ailing = time.monotonic() < self._ailing_until
        is_stalled = self.is_stalled and not late
        if is_ailing or is_stalled or self._waiting_bytes + size > MAX_WAITING_BYTES:
            self._counts["unavailable"] += 1
            raise SpoolUnavailable("the spool's disk does not take it")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(payload, loop.create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += size
        if self._writing is None:
            self._writing = loop.create_task(self._write_groups(), name="spool writer")
        return waiting.written

    async def seal(self) -> None:
        """Let the segment being written be complete."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.seal)
        self._hand_over_sealed()

    async def close(self) -> None:
        """Write what waits and seal it. Nothing may be submitted any more."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        await self.seal()
        self._thread.shutdown()

    async def _write_groups(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                self._answer(group, await self._write(group))
        finally:
            self._writing = None

    async def _write(self, group: Sequence[_Waiting]) -> int:
        """Write a group; how many of its first are on disk."""
        payloads = [waiting.payload for waiting in group]
        loop = asyncio.get_running_loop()
        self._write_began_at = time.monotonic()
        patience = loop.call_later(GIVE_UP_SECONDS, self._give_up, group)
        done, failure = 0, "the disk took a part only"
        try:
            done = await loop.run_in_executor(self._thread, self._writer.write, payloads)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            failure = str(error)
        patience.cancel()
        self._write_began_at = None
        self._hand_over_sealed()
        self._note_health("" if done == len(group) else failure)
        return done

    def _answer(self, group: Sequence[_Waiting], done: int) -> None:
        self._counts["spooled"] += done
        self._counts["unavailable"] += len(group) - done
        for place, waiting in enumerate(group):
            self._waiting_bytes -= record_bytes(waiting.payload)
            if place >= done:
                self._on_lost(waiting.payload)
                _disappoint(waiting, "the spool's disk did not take it")
            elif not waiting.written.done():  # as it is when who waited was cancelled
                waiting.written.set_result(None)

    def _give_up(self, group: Sequence[_Waiting]) -> None:
        for waiting in (*group, *self._waiting):
            _disappoint(waiting, "the spool's disk does not answer")

    def _hand_over_sealed(self) -> None:
        for segment in self._writer.take_sealed():
            self._on_sealed(segment)

    def _note_health(self, failure: str) -> None:
        if failure:
            self._ailing_until = time.monotonic() + AILING_SECONDS
        if failure and not self._is_ailing:
            log.error("spool_unavailable", error=failure)
        if self._is_ailing and not failure:
            log.info("spool_available_again")
        self._is_ailing = bool(failure)


def _disappoint(waiting: _Waiting, reason: str) -> None:
    if not waiting.written.done():
        waiting.written.set_exception(SpoolUnavailable(reason))
        waiting.written.exception()  # nobody may be waiting any more, which is no reason for a log line
