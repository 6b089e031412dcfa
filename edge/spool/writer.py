"""Writes records into segments, one after the other. What is worth writing is the spool's to decide."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from edge.spool.records import record_bytes
from edge.spool.segments import Segment, make_folder

SEGMENT_BYTES = 8 * 1024 * 1024


class SegmentWriter:
    """Owns the segment that is being written. Belongs to one thread, save for what its methods say."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._active: Segment | None = None
        self._sealed: deque[Segment] = deque()
        self._next_ms = 0

    @property
    def begun_ms(self) -> int | None:
        """When the segment being written was begun, Unix milliseconds; None without one. For any thread."""
        active = self._active
        return None if active is None else active.created_ms

    def write(self, payloads: Sequence[bytes]) -> int:
        """Write and sync; returns how many of the first payloads are on disk, all unless the disk fails.

        Raises OSError when it fails at the first one.
        """
        done = 0
        while done < len(payloads):
            try:
                segment = self._open()
                group = _fitting(payloads, done, self._segment_bytes - segment.size)
                segment.append(group)
            except OSError:
                # After a failed sync nobody knows which pages are on disk: nothing more goes into this file.
                self.seal()
                if not done:
                    raise
                return done
            done += len(group)
            if segment.size >= self._segment_bytes:
                self.seal()
        return done

    def seal(self) -> None:
        """Write nothing more into the segment at hand: it may be replayed."""
        segment, self._active = self._active, None
        if segment is None:
            return
        if segment.records:
            self._sealed.append(segment)
            return
        try:
            segment.remove()
        except OSError:
            segment.close()  # whoever adopts it finds nothing in it

    def take_sealed(self) -> list[Segment]:
        """Hand over the segments sealed since the last time. For any thread."""
        sealed = []
        while self._sealed:
            sealed.append(self._sealed.popleft())
        return sealed

    def _open(self) -> Segment:
        if self._active is not None and self._active.is_gone:
            self.seal()  # this process can still read it, and nobody else
        if self._active is None:
            make_folder(self._folder)
            self._active = Segment.create(self._folder, not_before_ms=self._next_ms)
            self._next_ms = self._active.created_ms + 1
        return self._active


def _fitting(payloads: Sequence[bytes], start: int, room: int) -> Sequence[bytes]:
    """The payloads from `start` until the room is used up; at least one."""
    end = start
    while end < len(payloads) and room > 0:
        room -= record_bytes(payloads[end])
        end += 1
    return payloads[start : max(end, start + 1)]
