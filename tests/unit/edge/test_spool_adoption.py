"""Whose a segment is: its owner's while that lives, then one other's, and nothing that is none is touched."""

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.spool.records import header
from edge.spool.segments import Segment
from tests.unit.edge.spools import call, files, fill, make_spool, numbers_of

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


async def test_a_stopped_spool_is_adopted_whole(tmp_path: Path) -> None:
    """Also what was appended in the very moment of stopping."""
    async with make_spool(tmp_path) as first:
        pending = [first.append(call(number)) for number in range(50)]
    assert all(future.done() and future.exception() is None for future in pending)
    async with make_spool(tmp_path) as second:
        assert second.records == 50
        assert await numbers_of(second) == list(range(50))


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


async def test_an_unfinished_segment_of_the_dead_is_removed(tmp_path: Path) -> None:
    """After a minute; a younger one may be somebody's who is just beginning it."""
    old, young = tmp_path / "a.spool.new", tmp_path / "b.spool.new"
    for path in (old, young):
        path.write_bytes(header(b"abcd"))
    os.utime(old, (1, 1))
    async with make_spool(tmp_path):
        assert not old.exists()
        assert young.exists()
