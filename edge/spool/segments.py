"""One file of the spool, and whose it is: whoever holds its lock.

The kernel lets go of a lock when its process ends, however it ends. Names begin with the time at which a
segment was begun, so that their order is the order of calls.
"""

import fcntl
import os
import re
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final, Self

from edge.spool.records import HEADER_BYTES, Damage, check_format, header, new_marker, record, scan

SEGMENT_SUFFIX: Final = ".spool"
UNFINISHED_SUFFIX: Final = ".new"
TORN_SUFFIX: Final = ".torn"
REFUSED_SUFFIX: Final = ".refused"

_NAME: Final = re.compile(r"(\d{13})-[0-9a-f]{12}\.spool")

# Not on every system; the other one syncs more than is needed.
_sync = getattr(os, "fdatasync", os.fsync)


class Segment:
    """A segment that this process owns. Not for two threads at a time.

    `size` and `records` count what is on disk for sure.
    """

    __slots__ = ("_descriptor", "_marker", "created_ms", "path", "records", "size")

    def __init__(self, path: Path, descriptor: int, marker: bytes, *, size: int, records: int) -> None:
        self.path = path
        self.created_ms = int(path.name[:13])
        self.size = size
        self.records = records
        self._descriptor = descriptor
        self._marker = marker

    @classmethod
    def create(cls, folder: Path, *, not_before_ms: int = 0) -> Self:
        """Begin a segment, synced, whose name says that it is younger than others. Raises OSError."""
        begun_ms = max(not_before_ms, time.time_ns() // 1_000_000)
        path = folder / f"{begun_ms:013d}-{token_hex(6)}{SEGMENT_SUFFIX}"
        marker = new_marker()
        # Under its final name it would have a moment without a lock, in which it could be adopted.
        descriptor = _write_unfinished(path, header(marker))
        try:
            _publish(path)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, marker, size=HEADER_BYTES, records=0)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Take over a segment that nobody owns; None when it has an owner or is gone.

        Raises UnknownFormat, or OSError.
        """
        descriptor = _open_alone(path)
        if descriptor is None:
            return None
        try:
            content = _read_all(descriptor)
            check_format(content)
            records = sum(isinstance(found, bytes) for found in scan(content))
            return cls(path, descriptor, b"", size=len(content), records=records)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def is_gone(self) -> bool:
        """Whether its file was removed by somebody else: what is written to it then, nobody finds."""
        return os.fstat(self._descriptor).st_nlink == 0

    def append(self, payloads: Sequence[bytes]) -> None:
        """Append records and wait for the disk; all of them, or OSError and the segment as it was before."""
        addition = b"".join([record(self._marker, payload) for payload in payloads])
        try:
            _write_at(self._descriptor, addition, self.size)
            _sync(self._descriptor)
        except OSError:
            with suppress(OSError):  # what stays behind is a torn record, or one that is replayed
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(addition)
        self.records += len(payloads)

    def content(self) -> bytes:
        """Everything in it. Raises OSError."""
        return _read_all(self._descriptor)

    def put_aside(self, refused: Sequence[bytes], torn: Sequence[Damage]) -> None:
        """Write what could not be replayed beside the segment; synced. Raises OSError.

        Refused payloads become a segment that is adopted as soon as it is given a segment's name.
        """
        if refused:
            marker = new_marker()
            _write_beside(
                self.path, REFUSED_SUFFIX, header(marker) + b"".join(record(marker, each) for each in refused)
            )
        if torn:
            content = self.content()
            _write_beside(self.path, TORN_SUFFIX, b"".join(content[start:end] for start, end in torn))

    def remove(self) -> None:
        """Delete the file and give it up. Raises OSError, and is still the owner then."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Give it up; whoever takes its lock next is its owner. Harmless twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def is_segment(name: str) -> bool:
    """Whether a file of this name is a segment."""
    return _NAME.fullmatch(name) is not None


def make_folder(folder: Path) -> None:
    """Make the spool's folder unless it is there; its files tell of visitors, so it is ours alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove what a process left that ended while it began a segment; nothing was promised about it."""
    with suppress(OSError):
        descriptor = _open_alone(path)
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _open_alone(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        facts = os.fstat(descriptor)
        # Between our opening and locking it, its last owner may have removed it.
        if facts.st_nlink > 0 and stat.S_ISREG(facts.st_mode):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _write_unfinished(path: Path, content: bytes) -> int:
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_at(descriptor, content, 0)
        _sync(descriptor)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return descriptor


def _publish(path: Path) -> None:
    """Give a finished file its name, so that the name outlives a loss of power."""
    path.with_name(path.name + UNFINISHED_SUFFIX).rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_beside(path: Path, suffix: str, content: bytes) -> None:
    beside = path.with_name(path.name + suffix)
    beside.with_name(beside.name + UNFINISHED_SUFFIX).unlink(missing_ok=True)  # of an attempt that failed
    os.close(_write_unfinished(beside, content))
    _publish(beside)


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _read_all(descriptor: int) -> bytes:
    size, parts, offset = os.fstat(descriptor).st_size, [], 0
    while offset < size and (part := os.pread(descriptor, size - offset, offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
