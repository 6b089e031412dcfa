"""A spool for a test, and what is in it."""

import asyncio
from pathlib import Path

from edge.metrics import EdgeMetrics
from edge.spool import Spool
from edge.spool.records import scan
from millrace.streams.spooled_call import SpooledCall

MIB = 1 << 20


def call(number: int, size: int = 20) -> SpooledCall:
    return SpooledCall("mr_test", [b"key"], [number, b"x" * size])


def make_spool(folder: Path, max_bytes: int = MIB, **changes: int) -> Spool:
    return Spool(folder, max_bytes, EdgeMetrics(), **changes)


async def fill(spool: Spool, *numbers: int) -> None:
    """Appends calls and waits until they are on disk."""
    await asyncio.gather(*(spool.append(call(number)) for number in numbers))


async def numbers_of(spool: Spool) -> list[int]:
    """The numbers of the calls that wait for replay, in its order."""
    await spool.seal()
    numbers = []
    for segment in spool.segments():
        for found in scan(await spool.content(segment)):
            assert isinstance(found, bytes)
            number = SpooledCall.decode(found).args[0]
            assert isinstance(number, int)
            numbers.append(number)
    return numbers


def files(folder: Path, pattern: str = "*.spool") -> list[Path]:
    return sorted(folder.glob(pattern))
