"""What only worker processes show: one set for the same bytes, whichever of them dies on the way."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from server.jobs.relay import relay
from server.media.pictures.rendering import Refused, Rendered
from server.media.settings import MediaSettings
from server.media.tasks import PROCESS_MEDIA, MediaToProcess
from tests.contract.media.working.ground import BODY, KEYS, RECIPES, Ground, png
from tests.contract.worker_tasks.worker_process import ROOT, environment
from workers.confined import Crashed, Killed, LimitExceeded, Limits
from workers.tasks.media import Drawing, earlier_kills

_LEASE_SECONDS = "1"
LIMITS = Limits(memory_bytes=1 << 30, cpu_seconds=1, wall_seconds=1)


@dataclass
class Workers:
    """Starts workers of the queue of pictures."""

    dsn: str
    redis_url: str
    redis_prefix: str
    store: MediaSettings

    @asynccontextmanager
    async def one(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A worker; killed when the block ends, unless it is gone by then."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "workers",
            cwd=ROOT, env=self._environment(), stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), 30)

    def _environment(self) -> dict[str, str]:
        secret = self.store.s3_secret_key
        return {
            **environment(self.dsn, self.redis_url, self.redis_prefix),
            "MILLRACE_S3_ENDPOINT": self.store.s3_endpoint or "",
            "MILLRACE_S3_BUCKET": self.store.s3_bucket,
            "MILLRACE_S3_ACCESS_KEY": self.store.s3_access_key or "",
            "MILLRACE_S3_SECRET_KEY": secret.get_secret_value() if secret else "",
            "MILLRACE_JOB_LEASE_SECONDS": _LEASE_SECONDS,
            "MILLRACE_WORKER_QUEUES": "images,default",
        }


@pytest.fixture
def workers(postgres_dsn: str, redis_url: str, redis_prefix: str, media_settings: MediaSettings) -> Workers:
    return Workers(postgres_dsn, redis_url, redis_prefix, media_settings)


async def enqueue(ground: Ground, *media_ids: object) -> None:
    async with ground.transaction() as session:
        for media_id in media_ids:
            await ground.jobs.enqueue(session, PROCESS_MEDIA, MediaToProcess(media_id))  # type: ignore[arg-type]


async def until_all_are_done(ground: Ground, engine: AsyncEngine) -> None:
    """Plays the relay meanwhile, which brings back jobs of workers that died."""
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with asyncio.timeout(60), autocommit.connect() as connection:
        while (await ground.column("SELECT count(*) FROM jobs WHERE state <> 'DONE'"))[0]:
            await relay(connection)
            await asyncio.sleep(0.05)


async def test_same_bytes_over_two_workers_make_one_set(
    ground: Ground, workers: Workers, engine: AsyncEngine
) -> None:
    """All pictures are READY, and each variant was made by one of them."""
    pictures = [await ground.add_picture() for _ in range(30)]
    await enqueue(ground, *pictures)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(workers.one())
        await until_all_are_done(ground, engine)
    assert await ground.column("SELECT DISTINCT status FROM media") == ["READY"]
    assert await ground.column("SELECT sum(CAST(result ->> 'made' AS int)) FROM jobs") == [len(RECIPES)]
    assert len(await ground.column("SELECT DISTINCT worker FROM jobs")) == 2
    assert set(await ground.objects("_variants/")) == set(KEYS)
    assert await ground.column("SELECT count(*) FROM media_variants") == [len(RECIPES) * len(pictures)]


async def test_hostile_file_harms_none_of_its_neighbours(
    ground: Ground, workers: Workers, engine: AsyncEngine
) -> None:
    """It is REJECTED; pictures before and behind it are READY, each in its first run, by the same worker."""
    pictures = [await ground.add_picture(body) for body in (BODY, png()[:-20], png("olive"))]
    await enqueue(ground, *pictures)
    async with workers.one() as worker:
        await until_all_are_done(ground, engine)
        assert worker.returncode is None
    assert [(await ground.row(each)).status for each in pictures] == ["READY", "REJECTED", "READY"]
    assert await ground.column("SELECT DISTINCT attempt FROM jobs") == [1]


async def test_worker_killed_in_the_middle_leaves_no_half_set(
    ground: Ground, workers: Workers, engine: AsyncEngine, postgres_dsn: str
) -> None:
    """Nothing of it is seen; the next worker claims the job after the lease, and makes the picture READY."""
    media_id = await ground.add_picture(png(width=4000, height=3000))
    await enqueue(ground, media_id)
    async with workers.one() as worker:
        await _until_content_is_locked(postgres_dsn)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    assert (await ground.row(media_id)).status == "PROCESSING"
    assert await ground.renditions() == await ground.variants(media_id) == []
    async with workers.one():
        await until_all_are_done(ground, engine)
    assert (await ground.row(media_id)).status == "READY"
    assert len(await ground.variants(media_id)) == len(RECIPES)
    assert await ground.column("SELECT attempt FROM jobs") == [2]


class _Confined:
    """A run whose confined call ends, or answers, so; `job` as far as its history is looked up."""

    def __init__(self, ending: Exception | bytes, job_id: object = None) -> None:
        self.ending = ending
        self.job = SimpleNamespace(job_id=job_id)

    async def confined(self, *_: object) -> bytes:
        if isinstance(self.ending, bytes):
            return self.ending
        raise self.ending


@pytest.mark.parametrize(
    "ending",
    [
        Crashed("the process was ended by SIGSEGV"),
        b"\xc1 no answer of ours",
        msgspec.msgpack.encode(Rendered(1, 1, b"", "#000000", variants=())),
    ],
    ids=["crashed", "nonsense", "without the variants"],
)
async def test_a_decoder_that_a_file_got_hold_of_rejects_that_file(ending: Exception | bytes) -> None:
    """It may crash or answer whatever it likes: nothing of that is believed."""
    run: Any = _Confined(ending)
    answer = await Drawing(run, LIMITS, kills=0).draw(BODY, "image/png", RECIPES)
    assert isinstance(answer, Refused)
    assert answer.reason == "DECODER_CRASHED"


@pytest.mark.parametrize(
    ("ending", "is_final_at_once"),
    [
        (LimitExceeded("memory"), True),
        (LimitExceeded("cpu time"), True),
        (LimitExceeded("time"), False),
        (Killed("the process was ended by SIGKILL"), False),
    ],
)
async def test_what_may_be_the_machines_fault_rejects_only_the_third_time(
    ground: Ground, ending: Exception, is_final_at_once: bool
) -> None:
    """A busy or stopped machine lets the clock run out too, and the kernel takes memory where it likes."""
    await enqueue(ground, uuid.uuid4())
    [job_id] = await ground.column("SELECT job_id FROM jobs")
    run: Any = _Confined(ending, job_id)
    for earlier in range(3):
        history = [{"error": f"{type(ending).__name__}: {ending}"}] * earlier + [
            {"error": "StoreUnavailable: away"}
        ]
        await ground.execute("UPDATE jobs SET history = CAST(:history AS jsonb)", history=json.dumps(history))
        drawing = Drawing(run, LIMITS, kills=await earlier_kills(ground.sessions, run))
        if is_final_at_once or earlier == 2:
            answer = await drawing.draw(BODY, "image/png", RECIPES)
            assert isinstance(answer, Refused)
            assert answer.reason == "LIMIT_EXCEEDED"
        else:
            with pytest.raises(type(ending)):
                await drawing.draw(BODY, "image/png", RECIPES)


async def _until_content_is_locked(dsn: str) -> None:
    postgres = await asyncpg.connect(dsn)
    statement = """
        SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND datname = current_database()
    """
    async with asyncio.timeout(30):
        while not await postgres.fetchval(statement):
            await asyncio.sleep(0.002)
    await postgres.close()
