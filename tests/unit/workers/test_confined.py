"""Confined processes: real ones, doing real harm as far as they can."""

from __future__ import annotations

import ast
import asyncio
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.unit.workers import confined_calls as calls
from workers.confined import ConfinedCalls, Crashed, Killed, LimitExceeded, Limits
from workers.process_slots import CallFailed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have fewer limits")

MIB = 1024 * 1024
LIMITS = Limits(memory_bytes=128 * MIB, cpu_seconds=5, wall_seconds=30)


@pytest.fixture
async def subject() -> AsyncIterator[ConfinedCalls]:
    async with ConfinedCalls(2, preload=["colorsys"]) as confined:
        yield confined


def children(pid: int) -> set[int]:
    """The processes that a process forked, as the kernel knows them; zombies are among them."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def open_files(*pids: int) -> list[int]:
    """How many files each process has open."""
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]


async def fork_server() -> int:
    """The one fork server of this process, which may just be starting."""
    found: set[int] = set()

    def one() -> bool:
        found.clear()
        found.update(child for child in children(os.getpid()) if _is_fork_server(child))
        return len(found) == 1

    await until(one)
    return found.pop()


def _is_fork_server(pid: int) -> bool:
    try:
        return b"workers.confinement.forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(holds: Callable[[], object]) -> None:
    """Wait for it."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def test_answers(subject: ConfinedCalls) -> None:
    """Bytes go in and bytes come out, many and none, and each call has a process of its own."""
    large = os.urandom(25 * MIB)
    assert await subject.run(calls.backwards, b"abc", LIMITS) == b"cba"
    assert await subject.run(calls.backwards, b"", LIMITS) == b""
    assert await subject.run(calls.backwards, large, LIMITS) == large[::-1]
    pids = {await subject.run(calls.own_pid, b"", LIMITS) for _ in range(5)}
    assert len(pids) == 5


async def test_a_process_has_nothing_to_inherit(
    subject: ConfinedCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no variables, not in its memory either, no open files but its own, and one thread."""
    monkeypatch.setenv("MILLRACE_S3_SECRET_KEY", "very secret")
    environment, files, threads = ast.literal_eval((await subject.run(calls.facts, b"", LIMITS)).decode())
    assert environment == {}
    assert files == [0, 1, 2, 3, 4]  # the last is the list of them
    assert threads == 1
    assert b"secret" not in await subject.run(calls.initial_environment, b"", LIMITS)
    assert await subject.run(calls.modules, b"colorsys", LIMITS) == b"True"


@pytest.mark.parametrize(
    ("call", "question"),
    [(calls.take_memory, b"200"), (calls.take_memory_bit_by_bit, b""), (calls.take_memory, b"100000")],
)
async def test_memory(subject: ConfinedCalls, call: Callable[[bytes], bytes], question: bytes) -> None:
    """More memory than the limit is not to be had, at once or little by little; less is."""
    assert await subject.run(calls.take_memory, b"100", LIMITS)
    with pytest.raises(LimitExceeded) as caught:
        await subject.run(call, question, LIMITS)
    assert caught.value.limit == "memory"


@pytest.mark.parametrize("question", [b"", b"stubborn"])
async def test_computing(subject: ConfinedCalls, question: bytes) -> None:
    """Computing ends at its limit, whatever is done about the signal."""
    limits = Limits(memory_bytes=LIMITS.memory_bytes, cpu_seconds=1, wall_seconds=30)
    with pytest.raises(LimitExceeded) as caught:
        await subject.run(calls.compute, question, limits)
    assert caught.value.limit == "cpu time"


async def test_waiting(subject: ConfinedCalls) -> None:
    """Waiting ends at its limit, and the process with it."""
    limits = Limits(memory_bytes=LIMITS.memory_bytes, cpu_seconds=1, wall_seconds=0.6)
    with pytest.raises(LimitExceeded) as caught:
        await subject.run(calls.sleep, b"", limits)
    assert caught.value.limit == "time"
    assert children(await fork_server()) == set()


@pytest.mark.parametrize(
    ("call", "question", "words"),
    [
        (calls.abort, b"", "SIGABRT"),
        (calls.read_nowhere, b"", "SIGSEGV"),
        (calls.end, b"0", "code 0"),
        (calls.end, b"7", "code 7"),
        (calls.answer_rubbish, b"hello, is anybody there?" * 9, "bytes"),
        (calls.answer_rubbish, b"z" + b"\0" * 8, "nobody can read"),
        (calls.answer_rubbish, b"a\x05\0\0\0\0\0\0\0abc", "code 0"),
        (calls.lie_about_length, b"", "allowed"),
    ],
)
async def test_crashes(
    subject: ConfinedCalls, call: Callable[[bytes], bytes], question: bytes, words: str
) -> None:
    """A process that ends by its own fault, or talks nonsense, is said to have crashed, and others go on."""
    other = asyncio.ensure_future(subject.run(calls.backwards, b"abc" * 1000, LIMITS))
    with pytest.raises(Crashed, match=words):
        await subject.run(call, question, LIMITS)
    assert await other == b"cba" * 1000
    assert await subject.run(calls.backwards, b"abc", LIMITS) == b"cba"


@pytest.mark.parametrize(
    ("call", "words"),
    [(calls.fail, "LookupError: why"), (calls.leave, "SystemExit"), (calls.answer_no_bytes, "not bytes")],
)
async def test_exceptions(subject: ConfinedCalls, call: Callable[[bytes], bytes], words: str) -> None:
    """What a call raises arrives as text with its traceback."""
    with pytest.raises(CallFailed, match=words):
        await subject.run(call, b"why", LIMITS)


async def test_only_functions_of_modules(subject: ConfinedCalls) -> None:
    """What the process could not find by its name is refused before."""
    with pytest.raises(ValueError, match="not a function of a module"):
        await subject.run(lambda question: question, b"", LIMITS)


async def test_killed_from_outside(subject: ConfinedCalls) -> None:
    """A process that somebody else killed is told apart from one that crashed."""
    call = asyncio.ensure_future(subject.run(calls.sleep, b"", LIMITS))
    server = await fork_server()
    await until(lambda: children(server))
    os.kill(children(server).pop(), signal.SIGKILL)
    with pytest.raises(Killed, match="SIGKILL"):
        await call


async def test_a_killed_fork_server(subject: ConfinedCalls) -> None:
    """The fork server takes its processes along, and the next call has another server."""
    call = asyncio.ensure_future(subject.run(calls.sleep, b"", LIMITS))
    server = await fork_server()
    await until(lambda: children(server))
    (process,) = children(server)
    os.kill(server, signal.SIGKILL)
    with pytest.raises(Killed):
        await call
    await until(lambda: not Path(f"/proc/{process}").exists())
    assert await subject.run(calls.backwards, b"abc", LIMITS) == b"cba"


async def test_nothing_else_can_be_done(subject: ConfinedCalls, tmp_path: Path) -> None:
    """No programs, no processes, no network, no signals to others, and no file changed."""
    (tmp_path / "old").write_bytes(b"precious")
    assert await subject.run(calls.try_everything, bytes(tmp_path), LIMITS) == b""
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"old": b"precious"}
    assert int(await subject.run(calls.open_files, b"", LIMITS)) < 32


async def test_threads_are_allowed(subject: ConfinedCalls) -> None:
    """Libraries may decode with threads."""
    assert await subject.run(calls.use_a_thread, b"abc", LIMITS) == b"ABC"


async def test_long_answers(subject: ConfinedCalls) -> None:
    """Answers are bounded on our side of the line."""
    limits = Limits(memory_bytes=512 * MIB, cpu_seconds=5, wall_seconds=30)
    with pytest.raises(Crashed, match="allowed"):
        await subject.run(calls.answer_at_length, str(64 * MIB + 1).encode(), limits)


async def test_talkative_calls(subject: ConfinedCalls) -> None:
    """What is written to the standard error beyond all measure holds nobody up."""
    assert await subject.run(calls.talk, b"", LIMITS) == b"done"


async def test_cancelling_kills(subject: ConfinedCalls) -> None:
    """A call that is given up leaves no process when it is over, and room for the next."""
    running = [asyncio.ensure_future(subject.run(calls.sleep, b"", LIMITS)) for _ in range(2)]
    server = await fork_server()
    await until(lambda: len(children(server)) == 2)
    for call in running:
        call.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert children(server) == set()
    assert await subject.run(calls.backwards, b"abc", LIMITS) == b"cba"


async def test_cancelled_at_any_moment(subject: ConfinedCalls) -> None:
    """Whenever a call is given up, before, within or after it, nothing is left of it."""
    await subject.run(calls.backwards, b"", LIMITS)
    server, lines = await fork_server(), len(os.listdir("/proc/self/fd"))
    for step in range(30):
        call = asyncio.ensure_future(subject.run(calls.backwards, b"abc", LIMITS))
        await asyncio.sleep(step * 0.0003)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    # A call given up while its process was being forked does not wait for the server to take it back.
    await until(lambda: not children(server) and len(os.listdir("/proc/self/fd")) <= lines)


async def test_nothing_piles_up(subject: ConfinedCalls) -> None:
    """Forty calls, good and bad, leave no process, no line and no open file on either side."""
    await subject.run(calls.backwards, b"", LIMITS)
    server = await fork_server()
    before = open_files(os.getpid(), server)
    for _ in range(20):
        await subject.run(calls.backwards, b"abc", LIMITS)
        with pytest.raises(Crashed):
            await subject.run(calls.end, b"3", LIMITS)
    assert children(server) == set()
    # The server closes its end after it has told of the ending; what others left open here may go meanwhile.
    await until(lambda: all(map(operator.le, open_files(os.getpid(), server), before)))
    assert len(os.listdir(f"/proc/{server}/task")) == 1


async def test_leaving_kills() -> None:
    """No process and no server outlives the block."""
    async with ConfinedCalls(1) as confined:
        call = asyncio.ensure_future(confined.run(calls.sleep, b"", LIMITS))
        server = await fork_server()
        await until(lambda: children(server))
        (process,) = children(server)
    assert not Path(f"/proc/{server}").exists()
    assert not Path(f"/proc/{process}").exists()
    with pytest.raises(Killed):
        await call


_WORKER = """
import asyncio
from tests.unit.workers import confined_calls
from workers.confined import ConfinedCalls, Limits
async def main():
    async with ConfinedCalls(1) as confined:
        await confined.run(confined_calls.sleep, b"", Limits(2**27, 5, 60))
asyncio.run(main())
"""


async def test_a_worker_that_is_killed_leaves_nothing() -> None:
    """kill -9 of the worker ends the fork server and what it forked."""
    root = Path(__file__).parents[3]
    worker = subprocess.Popen([sys.executable, "-c", _WORKER], cwd=root)
    try:
        await until(lambda: any(children(child) for child in children(worker.pid)))
        (server,) = children(worker.pid)
        (process,) = children(server)
    finally:
        worker.kill()
        worker.wait()
    await until(lambda: not (_lives(server) or _lives(process)))


def _lives(pid: int) -> bool:
    # Whoever inherits orphans here may leave them as zombies.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_calls_cost_little(subject: ConfinedCalls) -> None:
    """A process for each call is a matter of milliseconds."""
    await subject.run(calls.backwards, b"", LIMITS)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        await subject.run(calls.backwards, b"abc", LIMITS)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.1
