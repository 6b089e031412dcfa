"""A spool on disks that refuse, hang or vanish."""

import asyncio
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.spool import SpoolError, SpoolUnavailable, group_commit
from tests.unit.edge.spools import call, files, fill, make_spool, numbers_of


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
