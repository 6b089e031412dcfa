"""A spool on a real disk: what it takes, in which order it gives it back, and what it puts aside."""

import itertools
import time
from pathlib import Path

import pytest

from edge.spool import SpoolFull, SpoolUnavailable
from edge.spool.records import Damage, scan
from millrace.streams.spooled_call import SpooledCall
from tests.unit.edge.spools import call, files, fill, make_spool, numbers_of


async def test_what_is_appended_is_on_disk_when_the_future_is_done(tmp_path: Path) -> None:
    """A reader that opens the file afresh finds it there; nobody else may open it."""
    async with make_spool(tmp_path / "deep" / "spool") as spool:
        await spool.append(call(7))
        (path,) = files(tmp_path / "deep" / "spool")
        assert [SpooledCall.decode(each) for each in scan(path.read_bytes()) if isinstance(each, bytes)] == [
            call(7)
        ]
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


async def test_calls_come_back_in_order_over_segments(tmp_path: Path) -> None:
    """However they were grouped; segments are as large as they may be."""
    async with make_spool(tmp_path, segment_bytes=600) as spool:
        for start in range(0, 100, 10):
            await fill(spool, *range(start, start + 10))
        assert await numbers_of(spool) == list(range(100))
        assert len(files(tmp_path)) > 5
        assert spool.records == 100


async def test_calls_of_one_moment_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred shoppers of one moment do not wait for a hundred syncs of the disk."""
    from edge.spool import segments

    syncs = 0
    real = segments._sync

    def count(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        real(descriptor)

    async with make_spool(tmp_path) as spool:
        await fill(spool, 0)
        monkeypatch.setattr(segments, "_sync", count)
        await fill(spool, *range(1, 101))
        assert 1 <= syncs <= 3


async def test_a_full_spool_says_so_at_once(tmp_path: Path) -> None:
    """It never holds more than it may, and takes calls again when there is room."""
    async with make_spool(tmp_path, max_bytes=4096) as spool:
        taken = 0
        while not spool.is_full:
            await spool.append(call(taken))
            taken += 1
        assert taken > 20
        with pytest.raises(SpoolFull):
            spool.append(call(taken, size=2000))
        assert spool.state == "full"
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 4096 + 16
        await spool.seal()
        await spool.finish(spool.segments()[0], [], [])
        await spool.append(call(1))
        assert not spool.is_full
        assert spool.state == "in use"


async def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    """Who is late hears it at once."""
    async with make_spool(tmp_path) as spool:
        pass
    with pytest.raises(SpoolUnavailable):
        spool.append(call(1))


async def test_segments_keep_their_order_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is named after a later moment than the one before it."""
    ticking = itertools.count(2_000_000_000_000, -50)
    monkeypatch.setattr(time, "time_ns", lambda: next(ticking) * 1_000_000)
    async with make_spool(tmp_path, segment_bytes=100) as spool:
        for number in range(12):
            await fill(spool, number)
        assert await numbers_of(spool) == list(range(12))


async def test_torn_and_refused_records_are_put_aside(tmp_path: Path) -> None:
    """The torn bytes as they were; the refused calls as a segment that is adopted under its old name."""
    async with make_spool(tmp_path) as spool:
        await fill(spool, 1, 2, 3)
        await spool.seal()
        (segment,) = spool.segments()
        content = await spool.content(segment)
        payloads = [each for each in scan(content) if isinstance(each, bytes)]
        name = segment.path.name
        await spool.finish(segment, payloads[:2], [Damage(20, 60)])
        assert files(tmp_path) == []
        assert (tmp_path / f"{name}.torn").read_bytes() == content[20:60]
        await spool.adopt()
        assert spool.aside_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
        (tmp_path / f"{name}.refused").rename(tmp_path / name)
        await spool.adopt()
        assert await numbers_of(spool) == [1, 2]
