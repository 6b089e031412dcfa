"""What only a running worker shows: a lost publication is made good, and pings are answered."""

from __future__ import annotations

import asyncio
import sys
import uuid

import asyncpg
from sqlalchemy import text

from millrace.streams.ids import new_id_bytes
from millrace.streams.links import LinkSnapshot, unpack
from server.affiliate.models import Link, Partner
from server.affiliate.repository.links import LinkRepository
from server.affiliate.service.publication import enqueue_publication
from tests.contract.worker_tasks.conftest import Turn
from tests.contract.worker_tasks.worker_process import ROOT, environment, running_worker


async def add_link(turn: Turn) -> Link:
    """A link committed with its job, by a process that died before it could publish anything."""
    partner_id, link_id = (uuid.UUID(bytes=new_id_bytes()) for _ in range(2))
    async with turn.resources.sessions.begin() as session:
        session.add(
            Partner(
                partner_id=partner_id,
                name="Anna",
                email="a@b.example",
                email_key="a@b.example",
                status="ACTIVE",
            )
        )
        await session.flush()
        link = await LinkRepository(session).add(
            Link(
                link_id=link_id,
                partner_id=partner_id,
                short_code="spring",
                destination_url="https://shop.example/a",
                tracking_code="f" * 64,
                status="ACTIVE",
                forward_query=False,
                version=1,
            )
        )
        assert link is not None
        await enqueue_publication(turn.resources.jobs, session, link)
    return link


async def published(turn: Turn, link: Link) -> LinkSnapshot:
    """The snapshot in Redis, once it is there."""
    async with asyncio.timeout(20):
        while True:
            key = turn.resources.stream_keys.link(link.short_code)
            packed = await turn.resources.redis.execute("GET", key)
            if packed is not None:
                return unpack(packed)
            await asyncio.sleep(0.05)


async def run_ping(dsn: str, redis_url: str, prefix: str, *arguments: str) -> tuple[int | None, str, str]:
    """How `python -m server.jobs ping` ends, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.jobs", "ping", *arguments,
        cwd=ROOT, env=environment(dsn, redis_url, prefix),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, said.decode(), complained.decode()


async def test_worker_publishes_what_a_crash_left_behind(
    turn: Turn, postgres_dsn: str, redis_url: str, redis_prefix: str
) -> None:
    """A commit whose process died before it reached Redis is published, though nobody nudged anybody."""
    link = await add_link(turn)
    async with running_worker(postgres_dsn, redis_url, redis_prefix):
        snapshot = await published(turn, link)
    assert snapshot.destination == "https://shop.example/a"
    async with turn.resources.sessions() as session:
        ended = (await session.execute(text("SELECT state, result, attempt FROM jobs"))).one()
    assert tuple(ended) == ("DONE", "written", 1)


async def test_ping_tells_how_long_the_way_takes(
    postgres_dsn: str, redis_url: str, redis_prefix: str
) -> None:
    """With a worker there, it says how long the job waited and ran, in any queue."""
    async with running_worker(postgres_dsn, redis_url, redis_prefix):
        ended = [
            await run_ping(postgres_dsn, redis_url, redis_prefix, "--queue", queue)
            for queue in ("critical", "bulk")
        ]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert all(" waited " in said and " ran " in said for _, said, _ in ended), ended


async def test_ping_without_a_worker_fails(postgres_dsn: str, redis_url: str, redis_prefix: str) -> None:
    """Silence is an answer of its own, with what to look at."""
    code, _, complained = await run_ping(postgres_dsn, redis_url, redis_prefix, "--timeout", "0.5")
    assert code == 1
    assert "READY after 0.5 s: is a worker serving critical?" in complained


async def test_ping_of_a_paused_queue_says_so(postgres_dsn: str, redis_url: str, redis_prefix: str) -> None:
    """It names who paused the queue, instead of asking for a worker."""
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("INSERT INTO job_queues VALUES ('default', now(), 'ada')")
    await connection.close()
    code, _, complained = await run_ping(
        postgres_dsn, redis_url, redis_prefix, "--queue", "default", "--timeout", "0.5"
    )
    assert code == 1
    assert "ada paused default" in complained


async def test_ping_of_no_redis_address_is_refused(postgres_dsn: str, redis_prefix: str) -> None:
    """A wrong address is said in a line, and nothing is enqueued."""
    code, _, complained = await run_ping(postgres_dsn, "garbage", redis_prefix)
    assert code == 2
    assert "MILLRACE_REDIS_URL" in complained
    assert "Traceback" not in complained
