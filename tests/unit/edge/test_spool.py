"""A spool on a real disk: what it takes, what it keeps, and who owns it."""

import asyncio
import fcntl
import itertools
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.metrics import EdgeMetrics
from edge.spool import Spool, SpoolError, SpoolFull, SpoolUnavailable, group_commit
from edge.spool.records import Damage, header, scan
from edge.spool.segments import Segment
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


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow over `size`: the kernel refuses it with an OSError, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


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


async def test_a_stopped_spool_is_adopted_whole(tmp_path: Path) -> None:
    """Also what was appended in the very moment of stopping."""
    async with make_spool(tmp_path) as first:
        pending = [first.append(call(number)) for number in range(50)]
    assert all(future.done() and future.exception() is None for future in pending)
    async with make_spool(tmp_path) as second:
        assert second.records == 50
        assert await numbers_of(second) == list(range(50))


async def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    """Who is late hears it at once."""
    async with make_spool(tmp_path) as spool:
        pass
    with pytest.raises(SpoolUnavailable):
        spool.append(call(1))


async def test_a_living_owner_is_never_robbed(tmp_path: Path) -> None:
    """Neither of the segment it writes nor of those that wait; once it is gone, both change hands."""
    async with make_spool(tmp_path) as second:
        async with make_spool(tmp_path, segment_bytes=200) as first:
            await fill(first, *range(20))
            await second.adopt()
            assert second.records == 0
            assert first.records == 20
        await second.adopt()
        assert await numbers_of(second) == list(range(20))


async def test_of_many_adopters_one_gets_each_segment(tmp_path: Path) -> None:
    """All at once, several times over: nothing twice, nothing left."""
    async with make_spool(tmp_path, segment_bytes=200) as owner:
        await fill(owner, *range(60))
    spools = [make_spool(tmp_path) for _ in range(5)]
    for spool in spools:
        await spool.__aenter__()
    try:
        await asyncio.gather(*(spool.adopt() for spool in spools))
        numbers = [number for spool in spools for number in await numbers_of(spool)]
        assert sorted(numbers) == list(range(60))
    finally:
        for spool in spools:
            await spool.__aexit__(None, None, None)


KILLED = """
import asyncio, sys
from pathlib import Path
from edge.metrics import EdgeMetrics
from edge.spool import Spool
from millrace.streams.spooled_call import SpooledCall

async def main():
    async with Spool(Path(sys.argv[1]), 1 << 20, EdgeMetrics(), segment_bytes=4096) as spool:
        number = 0
        while True:
            group = [SpooledCall("f", [], [number + place]) for place in range(7)]
            await asyncio.gather(*map(spool.append, group))
            number += 7
            print(number, flush=True)

asyncio.run(main())
"""


async def test_a_killed_owner_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """kill -9 in the middle of writing: every call whose future was done is adopted, in order."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "spool")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'clients'}"},
    )
    assert process.stdout is not None
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged > 1000:
            process.kill()
    process.wait()
    async with make_spool(tmp_path / "spool") as spool:
        numbers = await numbers_of(spool)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= acknowledged > 1000


async def test_adoption_stops_where_the_share_ends(tmp_path: Path) -> None:
    """One segment is always taken, or nobody could; the rest waits until there is room."""
    async with make_spool(tmp_path, segment_bytes=4096) as owner:
        await fill(owner, *range(400))
    async with make_spool(tmp_path, max_bytes=9000, segment_bytes=4096) as spool:
        assert spool.bytes_used <= 9000
        held = await numbers_of(spool)
        assert held == list(range(len(held)))
        oldest = spool.segments()[0]
        await spool.finish(oldest, [], [])
        await spool.adopt()
        assert spool.bytes_used <= 9000
        next_held = await numbers_of(spool)
        assert next_held == list(range(oldest.records, oldest.records + len(next_held)))
        assert next_held[-1] > held[-1]


async def test_who_owns_nothing_adopts_a_segment_however_large(tmp_path: Path) -> None:
    """Otherwise nobody with as small a share would ever replay it."""
    async with make_spool(tmp_path) as owner:
        await fill(owner, *range(100))
    async with make_spool(tmp_path, max_bytes=2000) as spool:
        assert spool.records == 100
        assert spool.is_full


async def test_a_segment_removed_while_it_is_locked_is_not_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last owner may have replayed and removed it between our opening and locking it."""
    async with make_spool(tmp_path) as owner:
        await fill(owner, 1)
    (path,) = files(tmp_path)
    real = fcntl.flock

    def lock(descriptor: int, operation: int) -> None:
        path.unlink(missing_ok=True)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock)
    assert Segment.adopt(path) is None


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


async def test_another_format_is_left_alone(tmp_path: Path) -> None:
    """Its bytes stay as they are; the other segments are adopted all the same."""
    foreign = tmp_path / f"{1:013d}-{'a' * 12}.spool"
    foreign.write_bytes(b"MRSPOOL\x02 whatever a later release writes")
    async with make_spool(tmp_path) as owner:
        await fill(owner, 1)
    async with make_spool(tmp_path) as spool:
        assert await numbers_of(spool) == [1]
    assert foreign.read_bytes() == b"MRSPOOL\x02 whatever a later release writes"


async def test_files_that_are_no_segments_are_left_alone(tmp_path: Path) -> None:
    """Folders, notes and links that lead elsewhere."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / f"{1:013d}-{'b' * 12}.spool").mkdir()
    (tmp_path / f"{1:013d}-{'c' * 12}.spool").symlink_to(tmp_path / "notes.txt")
    async with make_spool(tmp_path) as spool:
        assert spool.records == 0
        assert spool.state == "up"
    assert (tmp_path / "notes.txt").read_text() == "mine"


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


async def test_a_disk_that_refuses_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits hears it, who comes at once after is not made to wait, what was there before stays, and the
    spool goes on when the disk does.
    """
    monkeypatch.setattr(group_commit, "AILING_SECONDS", 0.05)
    async with make_spool(tmp_path) as spool:
        await fill(spool, 1, 2)
        with largest_file(200):
            with pytest.raises(SpoolUnavailable):
                await spool.append(call(3, size=500))
            assert spool.state == "unavailable"
            with pytest.raises(SpoolUnavailable):
                spool.append(call(4))
            assert spool._counts == {"spooled": 2, "unavailable": 2}
        async with asyncio.timeout(2):
            while not spool.is_available:
                await asyncio.sleep(0.01)
                try:
                    await spool.append(call(5))
                except SpoolError:
                    continue
        assert len(files(tmp_path)) == 2  # nothing more goes into a file that failed
        assert await numbers_of(spool) == [1, 2, 5]
        assert spool.records == 3


async def test_a_folder_that_cannot_be_made_is_no_folder(tmp_path: Path) -> None:
    """It starts, says that it is unavailable, takes nothing, and stops."""
    (tmp_path / "file").write_text("in the way")
    async with make_spool(tmp_path / "file" / "spool") as spool:
        assert spool.state == "unavailable"
        with pytest.raises(SpoolUnavailable):
            await spool.append(call(1))
        (tmp_path / "file").unlink()
        await spool.adopt()
        assert spool._has_folder


async def test_a_folder_removed_under_it_is_made_again(tmp_path: Path) -> None:
    """What was written before can still be replayed by this process; what comes after is on disk again."""
    folder = tmp_path / "spool"
    async with make_spool(folder) as spool:
        await fill(spool, 1)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        await fill(spool, 2)
        assert len(files(folder)) == 1
        assert await numbers_of(spool) == [1, 2]


async def test_a_hanging_disk_holds_up_only_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a group is late, calls are turned away at once, then those who wait are told; when it is through,
    calls are taken again, and nothing is missing.
    """
    import threading

    from edge.spool import segments

    monkeypatch.setattr(group_commit, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(group_commit, "GIVE_UP_SECONDS", 0.5)
    go_on, hanging, real = threading.Event(), threading.Event(), segments._sync
    async with make_spool(tmp_path) as spool:
        await fill(spool, 1)

        def hang(descriptor: int) -> None:
            hanging.set()
            go_on.wait(10)
            real(descriptor)

        monkeypatch.setattr(segments, "_sync", hang)
        late = [spool.append(call(2))]
        while not hanging.is_set():
            await asyncio.sleep(0)
        late.append(spool.append(call(3)))
        async with asyncio.timeout(2):
            while spool.state != "unavailable":
                await asyncio.sleep(0.01)
        with pytest.raises(SpoolUnavailable):
            spool.append(call(4))
        outcomes = await asyncio.gather(*late, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [SpoolUnavailable] * 2
        go_on.set()
        async with asyncio.timeout(2):
            while not spool.is_available:
                await asyncio.sleep(0.01)
        await spool.append(call(5))
        assert await numbers_of(spool) == [1, 2, 3, 5]


async def test_who_stops_waiting_takes_nothing_back(tmp_path: Path) -> None:
    """A cancelled wait leaves the call in the spool, and the others of its group their answers."""
    async with make_spool(tmp_path) as spool:
        first, second = spool.append(call(1)), spool.append(call(2))
        first.cancel()
        await second
        assert await numbers_of(spool) == [1, 2]


async def test_an_unfinished_segment_of_the_dead_is_removed(tmp_path: Path) -> None:
    """After a minute; a younger one may be somebody's who is just beginning it."""
    old, young = tmp_path / "a.spool.new", tmp_path / "b.spool.new"
    for path in (old, young):
        path.write_bytes(header(b"abcd"))
    os.utime(old, (1, 1))
    async with make_spool(tmp_path):
        assert not old.exists()
        assert young.exists()
