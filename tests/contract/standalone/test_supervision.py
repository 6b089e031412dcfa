"""Children that die are started again, and all of them are stopped in order."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.standalone.children import ChildError, ChildSpec
from server.standalone.supervision import Supervisor

MakeChild = Callable[..., ChildSpec]
WAITS = "import time; time.sleep(600)"
# Writes its name on SIGTERM, a little later than asked.
SAYS_GOODBYE = """
import signal, sys, time
def leave(*_):
    time.sleep(0.1)
    open("goodbyes", "a").write(sys.argv[1] + " ")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
open(sys.argv[1] + ".up", "w").close()
time.sleep(600)
"""


class News(list[str]):
    """What the supervisor said."""


@pytest.fixture
def news() -> News:
    return News()


@pytest.fixture
async def subject(news: News) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(news.append)
    yield supervisor
    supervisor.kill_all()
    await supervisor.stop([])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_dead_child_is_named_and_started_again(
    subject: Supervisor, news: News, make_child: MakeChild
) -> None:
    """After a kill another process does the same work, and the terminal says whose end it was."""
    subject.start(make_child("worker", WAITS))
    await until(lambda: "worker" in subject.pids())
    first = subject.pids()["worker"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: subject.pids()["worker"] != first)
    assert news[0].startswith("worker was killed by SIGKILL; starting it again in 0.1 s")


async def test_a_child_that_was_asked_to_stop_is_back_without_growing_delays(
    subject: Supervisor, news: News, make_child: MakeChild
) -> None:
    """Restarting a process again and again waits for it as shortly as the first time."""
    subject.start(make_child("worker", "pass"))
    await until(lambda: len([line for line in news if "starting it again" in line]) == 3)
    delays = [line.partition(" (log")[0] for line in news if "starting it again" in line]
    assert delays == ["worker ended with code 0; starting it again in 0.1 s"] * 3


async def test_a_child_that_keeps_dying_fails_the_start(subject: Supervisor, make_child: MakeChild) -> None:
    """Waiting for it ends with an error that carries its last words, not with the time limit."""

    async def never() -> bool:
        return False

    broken = make_child("broken", "import sys; sys.exit('no such option')")
    subject.start(ChildSpec(**{**vars(broken), "ready": never}))
    with pytest.raises(ChildError, match="no such option") as refused:
        await subject.wait_ready(["broken"], timeout=60)
    assert str(refused.value).count("no such option") == 1, "once, however often it was tried"


async def test_last_words_are_those_of_this_start(subject: Supervisor, make_child: MakeChild) -> None:
    """What an earlier start complained of, and was mended since, is not shown beside today's complaint."""
    broken = make_child("broken", "import sys; sys.exit('complaint of today')")
    broken.log.parent.mkdir(exist_ok=True)
    broken.log.write_text("complaint of yesterday\n")
    with pytest.raises(ChildError) as refused:
        await subject.run_to_end(broken)
    assert "complaint of today" in str(refused.value)
    assert "yesterday" not in str(refused.value)


async def test_groups_stop_one_after_the_other(
    subject: Supervisor, make_child: MakeChild, tmp_path: Path
) -> None:
    """A group is asked to stop only once the group before it is gone; what is in no group goes last."""
    for name in ("store", "door", "engine"):
        spec = make_child(name, SAYS_GOODBYE)
        subject.start(ChildSpec(**{**vars(spec), "command": (*spec.command, name)}))
    await until(lambda: len(list(tmp_path.glob("*.up"))) == 3)
    await subject.stop([["door"], ["engine"]])
    assert (tmp_path / "goodbyes").read_text().split() == ["door", "engine", "store"]


async def test_a_deaf_child_is_killed(subject: Supervisor, make_child: MakeChild, tmp_path: Path) -> None:
    """A child that ignores the request is gone after its bound."""
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); open('deaf', 'w').close(); time.sleep(600)"
    )
    subject.start(make_child("deaf", deaf, stop_within=0.2))
    await until((tmp_path / "deaf").exists)
    pid = subject.pids()["deaf"]
    async with asyncio.timeout(5):
        await subject.stop([])
    assert not Path(f"/proc/{pid}").exists()


async def test_a_failed_step_carries_its_log(subject: Supervisor, make_child: MakeChild) -> None:
    """A step that ends with an error raises it with its last lines."""
    with pytest.raises(ChildError, match=r"(?s)seed ended with code 1.*no shop"):
        await subject.run_to_end(make_child("seed", "import sys; sys.exit('no shop')"))
