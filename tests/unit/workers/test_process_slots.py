"""Computing processes: real children, one call at a time each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.workers import calls
from workers.process_slots import CallFailed, ProcessDied, ProcessSlots


@pytest.fixture
async def subject() -> AsyncIterator[ProcessSlots]:
    async with ProcessSlots(2) as slots:
        yield slots


async def test_answers(subject: ProcessSlots) -> None:
    """A call returns its value from another process, which serves the next call as well."""
    assert await subject.run(calls.add, 2, 3) == 5
    first, second = await subject.run(calls.own_pid), await subject.run(calls.own_pid)
    assert first == second != os.getpid()


async def test_exceptions(subject: ProcessSlots) -> None:
    """What a call raises arrives as it was, with the traceback of the process as a note."""
    with pytest.raises(ValueError, match="no good") as caught:
        await subject.run(calls.fail, "no good")
    assert "in fail" in "".join(caught.value.__notes__)


async def test_exceptions_that_cannot_travel(subject: ProcessSlots) -> None:
    """An exception that cannot be pickled arrives as its text, and the process lives on."""
    before = await subject.run(calls.own_pid)
    with pytest.raises(CallFailed, match="Peculiar: a strange thing"):
        await subject.run(calls.fail_peculiarly)
    assert await subject.run(calls.own_pid) == before


async def test_crash_takes_nobody_along(subject: ProcessSlots, tmp_path: Path) -> None:
    """A process that dies fails its own call only; the other goes on, and a new one takes its place."""
    hanging = asyncio.create_task(subject.run(calls.note_pid_and_hang, tmp_path / "pid"))
    await _pid_in(tmp_path / "pid")
    with pytest.raises(ProcessDied, match="SIGKILL"):
        await subject.run(calls.die)
    assert await subject.run(calls.add, 1, 1) == 2
    assert not hanging.done()
    hanging.cancel()


async def test_cancelled_call(subject: ProcessSlots, tmp_path: Path) -> None:
    """Giving up a call, by a time limit for one, kills its process, and the slot serves again."""
    hanging = [
        asyncio.create_task(subject.run(calls.note_pid_and_hang, tmp_path / f"pid{number}"))
        for number in range(2)
    ]
    pids = [await _pid_in(tmp_path / f"pid{number}") for number in range(2)]
    hanging[0].cancel()
    async with asyncio.timeout(10):
        assert await subject.run(calls.own_pid) not in pids
    assert not _runs(pids[0])
    assert _runs(pids[1])
    hanging[1].cancel()


async def test_leaving_kills(tmp_path: Path) -> None:
    """No process outlives the block, whatever it was doing."""
    async with ProcessSlots(1) as slots:
        hanging = asyncio.create_task(slots.run(calls.note_pid_and_hang, tmp_path / "pid"))
        pid = await _pid_in(tmp_path / "pid")
    assert not _runs(pid)
    with pytest.raises(ProcessDied):
        await hanging


async def _pid_in(file: Path) -> int:
    async with asyncio.timeout(20):
        while not (file.exists() and file.read_text()):
            await asyncio.sleep(0.01)
    return int(file.read_text())


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_call_that_is_over_is_not_killed(subject: ProcessSlots) -> None:
    """Given up in the moment of its answer, a call leaves its process to the next one."""
    for _ in range(20):
        call = asyncio.ensure_future(subject.run(calls.own_pid))
        await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert await subject.run(calls.add, 1, 2) == 3


async def test_what_a_call_started_ends_with_it(subject: ProcessSlots, tmp_path: Path) -> None:
    """A program that a given-up call runs is killed as well."""
    call = asyncio.ensure_future(subject.run(calls.run_program, tmp_path / "pid"))
    program = await _pid_in(tmp_path / "pid")
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    async with asyncio.timeout(5):
        while _runs(program):
            await asyncio.sleep(0.01)
