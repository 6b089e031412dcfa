"""Clicks outlive Redis, the edge and a full disk, as far as they can; shoppers notice nothing."""

import asyncio
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from structlog.testing import capture_logs

from edge import recording
from edge.cookies import COOKIE_NAME
from edge.spool import group_commit, replayer
from edge.spool.segments import Segment
from millrace.streams.ids import id_bytes, id_time_ms
from millrace.streams.keys import StreamKeys
from millrace.streams.records import Click
from millrace.streams.redis_pipe import PipeliningRedis
from server.standalone.ports import free_port
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.running_edge import CHROME, Edge, recorded_clicks, running_edge
from tests.contract.streams.own_valkey import OwnValkey

ROOT = Path(__file__).parents[3]
UNRECORDED = "millrace_edge_clicks_unrecorded_total"
# As long as an edge waits for its disk: what takes longer may be answered without it.
DISK_SECONDS = recording.DISK_SECONDS
SPOOLED = "millrace_edge_clicks_spooled_total"


@pytest.fixture(autouse=True)
def _impatient_replayer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replayer, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(replayer, "LAST_RETRY_SECONDS", 0.2)
    monkeypatch.setattr(replayer, "ADOPT_SECONDS", 0.2)


@pytest.fixture(autouse=True)
def _patient_with_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shared with every other test's servers, and may be slow for a while."""
    monkeypatch.setattr(recording, "DISK_SECONDS", 10.0)
    monkeypatch.setattr(group_commit, "STALLED_SECONDS", 10.0)
    monkeypatch.setattr(group_commit, "GIVE_UP_SECONDS", 10.0)


@pytest.fixture(autouse=True)
def _told_ids(link_server: LinkServer) -> None:
    """The destination is told the click's id, so that every click can be found again."""
    link_server.add("shoe22", click_id_parameter="cid")


def click_id(answer: aiohttp.ClientResponse) -> bytes:
    return id_bytes(parse_qs(urlsplit(answer.headers["Location"]).query)["cid"][0])


async def click(edge: Edge, visitors: int, times: int = 1) -> list[bytes]:
    """Clicks from as many addresses, each that often; every answer must be a redirect with a cookie, soon."""
    ids = []
    for _ in range(times):
        began_at = time.perf_counter()
        answers = await asyncio.gather(
            *(
                edge.get("/l/shoe22", visitor=f"10.1.{number >> 8}.{number & 255}")
                for number in range(visitors)
            )
        )
        assert time.perf_counter() - began_at < 4.0
        assert {answer.status for answer in answers} == {302}
        assert all(COOKIE_NAME in answer.cookies for answer in answers)
        ids += [click_id(answer) for answer in answers]
    return ids


async def stored(valkey: OwnValkey, enough: Callable[[list[Click]], bool]) -> list[Click]:
    """What is in the stream, once it is enough."""
    async with await PipeliningRedis.open(valkey.url, timeout=5.0) as redis, asyncio.timeout(10):
        while not enough(clicks := await recorded_clicks(redis, StreamKeys())):
            await asyncio.sleep(0.05)
        return clicks


def holds(ids: list[bytes]) -> Callable[[list[Click]], bool]:
    return lambda clicks: set(ids) <= {click.click_id for click in clicks}


async def until_replayed(edge: Edge) -> None:
    async with asyncio.timeout(10):
        while await edge.metric("millrace_edge_spool_records"):
            await asyncio.sleep(0.05)


async def test_clicks_of_an_outage_are_replayed_exactly(
    own_valkey: OwnValkey, link_server: LinkServer
) -> None:
    """Each once, with its own time, and of each visitor the first is unique."""
    async with running_edge(own_valkey.url, link_server.port) as edge:
        await click(edge, 1)
        own_valkey.kill()
        ids = await click(edge, 40, times=3)
        assert await edge.metric(SPOOLED, reason="unavailable") + await edge.metric(
            SPOOLED, reason="timeout"
        ) == len(ids)
        assert await edge.metric(UNRECORDED, reason="unavailable") == 0
        assert await edge.metric("millrace_edge_spool_records") == len(ids)
        assert await edge.metric("millrace_edge_spool_bytes") > 0
        answer = await edge.get("/readyz")
        assert (await answer.json())["dependencies"]["spool"] == "in use"
        own_valkey.start()
        clicks = await stored(own_valkey, holds(ids))
        await until_replayed(edge)
    assert Counter(click.click_id for click in clicks) == Counter(ids)
    assert all(click.at_ms == id_time_ms(click.click_id) for click in clicks)
    assert {click.click_id for click in clicks if click.unique} == set(ids[:40])


async def test_clicks_of_a_frozen_redis_are_all_there(own_valkey: OwnValkey, link_server: LinkServer) -> None:
    """One that timed out may be there twice; by the first entry of each, every visitor is unique once."""
    async with running_edge(own_valkey.url, link_server.port, redis_timeout_seconds=0.04) as edge:
        ids = await click(edge, 10)
        own_valkey.freeze()
        try:
            ids += await click(edge, 20, times=4)
        finally:
            own_valkey.thaw()
        await stored(own_valkey, holds(ids))
        await until_replayed(edge)
        clicks = await stored(own_valkey, holds(ids))
        timed_out = await edge.metric(SPOOLED, reason="timeout")
        assert timed_out >= 1
        assert timed_out + await edge.metric(SPOOLED, reason="unavailable") >= 80
    first = {click.click_id: click for click in reversed(clicks)}
    assert first.keys() == set(ids)
    assert sum(click.unique for click in first.values()) == 20


async def test_clicks_of_a_full_redis_are_all_there(own_valkey: OwnValkey, link_server: LinkServer) -> None:
    """Refused for want of memory, said once, kept, and recorded when there is some again."""
    async with running_edge(own_valkey.url, link_server.port) as edge:
        await click(edge, 1)
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        with capture_logs() as lines:
            ids = await click(edge, 20, times=2)
        assert await edge.metric(SPOOLED, reason="refused") == 40
        assert [line["event"] for line in lines].count("click_refused_by_redis") == 1
        own_valkey.command("CONFIG", "SET", "maxmemory", "0")
        clicks = await stored(own_valkey, holds(ids))
        await until_replayed(edge)
        assert await edge.metric("millrace_edge_spool_calls_total", outcome="refused") == 0
    counts = Counter(click.click_id for click in clicks)
    assert {counts[each] for each in ids} == {1}


async def test_two_edges_share_a_folder(
    own_valkey: OwnValkey, link_server: LinkServer, tmp_path: Path
) -> None:
    """Each replays its own; what a stopped one left, one of the others replays, once."""
    folder: dict[str, Any] = {"spool_dir": tmp_path / "spool"}
    own_valkey.kill()
    async with running_edge(own_valkey.url, link_server.port, **folder) as gone:
        ids = await click(gone, 30)
    assert list((tmp_path / "spool").glob("*.spool"))
    async with (
        running_edge(own_valkey.url, link_server.port, **folder) as first,
        running_edge(own_valkey.url, link_server.port, **folder) as second,
    ):
        ids += await click(first, 30)
        ids += await click(second, 30)
        own_valkey.start()
        clicks = await stored(own_valkey, holds(ids))
        await until_replayed(first)
        await until_replayed(second)
    assert Counter(click.click_id for click in clicks) == Counter(ids)
    assert list((tmp_path / "spool").iterdir()) == []


async def test_an_edge_killed_with_a_spool_loses_none_of_it(
    own_valkey: OwnValkey, link_server: LinkServer, tmp_path: Path
) -> None:
    """Every click that was answered is replayed by the next edge on the machine."""
    own_valkey.kill()
    port = free_port()
    settings = {
        "MILLRACE_MODE": "development",
        "MILLRACE_REDIS_URL": own_valkey.url,
        "MILLRACE_EDGE_PORT": str(port),
        "MILLRACE_GRPC_TARGET": f"127.0.0.1:{link_server.port}",
        "MILLRACE_TRUSTED_PROXIES": "127.0.0.0/8",
        "MILLRACE_SPOOL_DIR": str(tmp_path / "spool"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", cwd=ROOT, env={**os.environ, **settings}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while b"edge_started" not in (line := await process.stdout.readline()):
            assert line, "the edge ended before it had started"
    ids: list[bytes] = []
    clicking = [asyncio.create_task(_click_until_cut(port, ids)) for _ in range(8)]
    async with asyncio.timeout(10):
        while len(ids) < 300:
            await asyncio.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await asyncio.gather(*clicking)
    own_valkey.start()
    async with running_edge(own_valkey.url, link_server.port, spool_dir=tmp_path / "spool") as edge:
        clicks = await stored(own_valkey, holds(ids))
        await until_replayed(edge)
    counts = Counter(click.click_id for click in clicks)
    assert set(counts.values()) == {1}


async def _click_until_cut(port: int, ids: list[bytes]) -> None:
    """Clicks over one connection until it breaks, and notes what was answered because it was on disk."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET /l/shoe22 HTTP/1.1\r\nHost: a.example\r\nUser-Agent: {CHROME}\r\n\r\n".encode()
    try:
        while True:
            began_at = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            found = re.search(r"^Location: \S+[?&]cid=([0-9a-f-]{36})", head, re.MULTILINE)
            assert found is not None, head
            if time.perf_counter() - began_at < DISK_SECONDS:
                ids.append(id_bytes(found[1]))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def test_what_a_full_spool_cannot_take_is_counted(
    own_valkey: OwnValkey, link_server: LinkServer, tmp_path: Path
) -> None:
    """The shopper goes on; the metric says how many clicks were lost, and readiness that more will be."""
    own_valkey.kill()
    aside = tmp_path / "an-old-one.spool.torn"
    aside.write_bytes(bytes((1 << 20) - 6000))
    async with running_edge(
        own_valkey.url, link_server.port, spool_dir=tmp_path, spool_max_bytes=1 << 20
    ) as edge:
        ids = await click(edge, 20, times=3)
        kept = await edge.metric("millrace_edge_spool_records")
        lost = await edge.metric(UNRECORDED, reason="full")
        assert kept > 5
        assert lost > 5
        assert kept + lost == len(ids)
        assert await edge.metric("millrace_edge_spool_full") == 1.0
        answer = await edge.get("/readyz")
        assert answer.status == 200
        assert (await answer.json())["dependencies"]["spool"] == "full"
        own_valkey.start()
        clicks = await stored(own_valkey, lambda clicks: len(clicks) >= kept)
        assert {click.click_id for click in clicks} <= set(ids)
        await until_replayed(edge)
        aside.unlink()
        await click(edge, 3)
        assert await edge.metric(UNRECORDED, reason="full") == lost


async def test_without_a_usable_folder_shoppers_go_on(
    own_valkey: OwnValkey, link_server: LinkServer, tmp_path: Path
) -> None:
    """Every click is counted as lost while Redis is away, and the edge says that it has no spool."""
    (tmp_path / "file").write_text("in the way")
    async with running_edge(own_valkey.url, link_server.port, spool_dir=tmp_path / "file" / "spool") as edge:
        await click(edge, 5)
        assert (await (await edge.get("/readyz")).json())["dependencies"]["spool"] == "unavailable"
        own_valkey.kill()
        await click(edge, 10, times=2)
        assert await edge.metric(UNRECORDED, reason="unavailable") == 20
        assert await edge.metric("millrace_edge_spool_available") == 0.0


async def test_a_slow_disk_holds_no_shopper_up_for_long(
    own_valkey: OwnValkey, link_server: LinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who meets it first waits a quarter of a second, the others not at all; every click is counted as not
    recorded, and kept as soon as the disk goes on.
    """
    go_on, real = threading.Event(), Segment.append

    def slowly(segment: Segment, payloads: list[bytes]) -> None:
        go_on.wait(10)
        real(segment, payloads)

    monkeypatch.setattr(Segment, "append", slowly)
    monkeypatch.setattr(recording, "DISK_SECONDS", DISK_SECONDS)
    monkeypatch.setattr(group_commit, "STALLED_SECONDS", DISK_SECONDS / 2)
    own_valkey.kill()
    async with running_edge(own_valkey.url, link_server.port) as edge:
        await edge.get("/l/nothing-to-count")
        began_at = time.perf_counter()
        ids = [click_id(await edge.get("/l/shoe22"))]
        assert time.perf_counter() - began_at < 3.0
        monkeypatch.setattr(recording, "DISK_SECONDS", 60.0)
        ids += await click(edge, 20)
        assert time.perf_counter() - began_at < 10.0
        assert await edge.metric(UNRECORDED, reason="slow") == 21
        go_on.set()
        own_valkey.start()
        await stored(own_valkey, holds(ids))
