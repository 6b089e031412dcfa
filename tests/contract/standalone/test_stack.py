"""`make run`: everything up, dead children back, and nothing left behind however it ends."""

import asyncio
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import redis.asyncio

from server.standalone.endpoints import Endpoints
from tests.stack import Stack, descendants, running_stack, start_stack

ONE_EDGE = {"MILLRACE_EDGE_PROCESSES": "1"}


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="millrace-stack-") as name:
        Path(name).chmod(0o711)
        async with running_stack(Path(name), {"MILLRACE_EDGE_PROCESSES": "2"}) as running:
            yield running


async def until(condition: Callable[[], Awaitable[bool]], *, within_seconds: float = 20) -> None:
    async with asyncio.timeout(within_seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def is_ready(stack: Stack) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{stack['edge_url']}/readyz") as answer:
            states = (await answer.json())["dependencies"].values()
            return answer.status == 200 and set(states) == {"up"}
    except (aiohttp.ClientError, ValueError, KeyError):
        return False


async def test_endpoints_tell_everything_to_their_owner_alone(stack: Stack) -> None:
    """Every key is there with a value, and no other account can read the file."""
    file = stack.folder / "state" / "endpoints.json"
    endpoints = json.loads(file.read_text())
    assert endpoints.keys() == Endpoints.__required_keys__
    processes = {"server", "edge-1", "edge-2", "drain", "worker", "scheduler"}
    assert set(endpoints.pop("metrics")) == processes
    assert all(isinstance(value, str) and value for value in endpoints.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_every_address_answers(stack: Stack) -> None:
    """What the file says is where the services are."""
    async with aiohttp.ClientSession() as session:
        assert (await session.get(f"{stack['edge_url']}/healthz")).status == 200
        assert (await session.get(stack["mailbox_url"])).status == 200
        assert (await session.get(stack["s3_endpoint"])).status in {400, 401, 403}
        assert (await session.get(stack["s3_upload_endpoint"])).status in {400, 401, 403}
        assert (await session.get(f"{stack['media_url']}/readyz")).status == 200
    connection = await asyncpg.connect(stack["postgres_dsn"])
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()
    client = redis.asyncio.from_url(stack["redis_url"])
    assert (await client.config_get("appendfsync"))["appendfsync"] == "always"
    await client.aclose()


async def test_the_demo_shop_is_there(stack: Stack) -> None:
    """The partner of the file sees its links with its token, and the admin sees a dozen products."""
    async with aiohttp.ClientSession(stack["edge_url"]) as session:
        as_partner = {"Authorization": f"Bearer {stack['partner_token']}"}
        links = await (await session.get("/api/v1/affiliate/links", headers=as_partner)).json()
        assert {link["partnerId"] for link in links["links"]} == {stack["partner_id"]}
        as_admin = {"Authorization": f"Bearer {stack['admin_token']}"}
        products = await (await session.get("/api/v1/catalog/products", headers=as_admin)).json()
        assert len(products["products"]) == 12


@pytest.mark.parametrize(
    "words",
    [
        ("-m edge",),
        ("-m server ",),
        ("workers.drain",),
        ("-m workers ",),
        ("workers.scheduler",),
        ("server.standalone.bucket_door",),
        ("valkey-server",),
        ("postgres", "-D"),
    ],
)
async def test_a_killed_child_is_started_again(stack: Stack, words: tuple[str, ...]) -> None:
    """After kill -9 of any child another one takes its place and the edge finds everything up again."""
    killed = stack.kill(*words)

    async def is_back() -> bool:
        return bool(set(stack.pids(*words)) - set(killed)) and await is_ready(stack)

    await until(is_back)


async def test_one_state_folder_serves_one_stack(stack: Stack) -> None:
    """A second start on the same folder and a cleaning of it are refused, and say what is running."""
    environment = {**os.environ, "MILLRACE_STATE_DIR": str(stack.folder / "state")}
    for module in ("server.standalone", "server.standalone.clean"):
        done = await asyncio.to_thread(
            subprocess.run,
            (sys.executable, "-m", module),
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1
        assert f"already running (process {stack.process.pid})" in done.stderr
    assert await is_ready(stack)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def lock_is_free(stack: Stack) -> bool:
    """Every process of a stack holds its lock file, so a free lock is the end of the last of them."""
    with (stack.folder / "state" / "stack.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


async def test_nothing_is_left_behind_and_state_survives(folder: Path) -> None:
    """Ctrl-C and kill -9 both end every process; the next start is quick and finds what was there."""
    first = await start_stack(folder, ONE_EDGE)
    processes = descendants(first.process.pid)
    assert len(processes) > 8
    await first.stop()
    assert first.process.returncode == 0
    assert not [pid for pid in processes if alive(pid)]
    assert lock_is_free(first)
    assert not (folder / "state" / "endpoints.json").exists()

    started_at = time.monotonic()
    second = await start_stack(folder, ONE_EDGE)
    print(f"\nsecond start: {time.monotonic() - started_at:.2f} s")
    assert second.endpoints == first.endpoints
    assert second.news().count("millrace: writing four weeks of clicks and visits") == 1
    processes = descendants(second.process.pid)
    second.process.send_signal(signal.SIGKILL)
    await second.process.wait()

    async def all_gone() -> bool:
        return lock_is_free(second) and not any(map(alive, processes))

    await until(all_gone, within_seconds=15)
