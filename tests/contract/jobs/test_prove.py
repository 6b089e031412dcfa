"""The proof: it holds whatever happens to jobs, and finds what was done to them behind the queue's back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from server.db.engine import Sessions
from server.jobs.balance_table import table, verdict
from server.jobs.enqueueing import Jobs
from server.jobs.execution import Failure, JobExecution
from server.jobs.prove import prove
from tests.contract.jobs.conftest import LETTER, Letter

ROOT = Path(__file__).parents[3]

OPEN = "enqueued = finished + open"
KEPT = "finished = pruned + kept"


@pytest.fixture
async def lived_in(sessions: Sessions, jobs: Jobs, execution: JobExecution) -> None:
    """Jobs of two queues in every state but CANCELLED, those of `bulk` enqueued two hours ago."""
    await live(sessions, jobs, execution)


async def live(sessions: Sessions, jobs: Jobs, execution: JobExecution) -> None:
    async with sessions.begin() as session:
        for number in range(8):
            queue = "bulk" if number % 2 else "default"
            await jobs.enqueue(session, LETTER, Letter("anna"), queue=queue)
    first, second, third = (await execution.claim("default", 3))[:3]
    await execution.complete([(first, None)])
    await execution.fail(second, Failure("no"), retry_in=None)
    await execution.fail(third, Failure("not yet"), retry_in=60.0)
    (fourth,) = await execution.claim("bulk", 1)
    await execution.complete([(fourth, {"sent": True})])
    async with sessions.begin() as session:
        # As if two hours had gone by for those of `bulk`: both sides of the equations move along.
        await session.execute(
            text("UPDATE jobs SET enqueued_at = enqueued_at - interval '2 hours' WHERE queue = 'bulk'")
        )
        await session.execute(
            text("UPDATE job_ledger SET hour = hour - interval '2 hours' WHERE queue = 'bulk'")
        )


async def wrong(engine: AsyncEngine) -> list[tuple[str, str, int]]:
    """Queue, equation and by how much, of each difference."""
    found = [each for balance in await prove(engine) for each in balance.differences()]
    return [(each.queue, each.equation, each.found - each.noted) for each in found]


async def test_proof_holds_for_jobs_in_every_state(lived_in: None, engine: AsyncEngine) -> None:
    """What the queue does itself never makes a difference."""
    balances = await prove(engine)
    assert [(each.queue, each.enqueued, each.ended, each.open, each.kept) for each in balances] == [
        ("bulk", 4, 1, 3, 1),
        ("default", 4, 2, 2, 2),
    ]
    assert balances[0].hour < balances[1].hour
    assert await wrong(engine) == []


@pytest.mark.parametrize(
    ("deed", "found"),
    [
        (
            "DELETE FROM jobs WHERE job_id = (SELECT job_id FROM jobs WHERE state = 'READY' "
            "AND queue = 'bulk' LIMIT 1)",
            [("bulk", OPEN, -1)],
        ),
        ("DELETE FROM jobs WHERE queue = 'default' AND state = 'DEAD'", [("default", KEPT, -1)]),
        (
            "UPDATE jobs SET state = 'READY', finished_at = NULL WHERE queue = 'bulk' AND state = 'DONE'",
            [("bulk", OPEN, 1), ("bulk", KEPT, -1)],
        ),
        (
            "UPDATE jobs SET state = 'DONE', finished_at = now() WHERE state = 'READY' AND queue = 'default'",
            [("default", OPEN, -1), ("default", KEPT, 1)],
        ),
        (
            "INSERT INTO jobs (job_id, task, version, payload, queue, state) "
            "VALUES (gen_random_uuid(), 'x', 1, '{}', 'images', 'READY')",
            [("images", OPEN, 1)],
        ),
        (
            "INSERT INTO jobs (job_id, task, version, payload, queue, state, finished_at) "
            "VALUES (gen_random_uuid(), 'x', 1, '{}', 'images', 'DONE', now())",
            [("images", KEPT, 1)],
        ),
        (
            "UPDATE jobs SET queue = 'images' WHERE queue = 'default' AND state = 'READY'",
            [("default", OPEN, -1), ("images", OPEN, 1)],
        ),
        (
            "TRUNCATE jobs",
            [("bulk", OPEN, -3), ("bulk", KEPT, -1), ("default", OPEN, -2), ("default", KEPT, -2)],
        ),
    ],
)
async def test_planted_difference_is_found(
    lived_in: None,
    engine: AsyncEngine,
    sessions: Sessions,
    deed: str,
    found: list[tuple[str, str, int]],
) -> None:
    """Rows deleted, added or changed by hand show as what they are: queue, equation and by how many."""
    async with sessions.begin() as session:
        await session.execute(text(deed))
    assert await wrong(engine) == found


async def test_table_shows_each_queue_and_hour(
    lived_in: None, engine: AsyncEngine, sessions: Sessions
) -> None:
    """Every column of the equation stands beside its queue and hour; wrong hours are shown however old."""
    balances = await prove(engine)
    _, bulk, default = table(balances, since=None)
    assert bulk.split()[2:] == ["bulk", "4", "1", "3", "0", "1"]
    assert default.split()[2:] == ["default", "4", "2", "2", "0", "2"]
    _, newest, left_out = table(balances, since=balances[1].hour)
    assert newest == default
    assert "1 earlier line" in left_out
    async with sessions.begin() as session:
        await session.execute(text("DELETE FROM jobs WHERE queue = 'bulk' AND state = 'READY'"))
    balances = await prove(engine)
    _, wrong_one, _ = table(balances, since=balances[1].hour)
    assert wrong_one.endswith(f"<- {OPEN}")
    assert verdict(balances) == [
        f"bulk {balances[0].hour:%Y-%m-%d %H:00} UTC: {OPEN} does not hold, 4 != 1: 3 missing"
    ]


async def test_command_ends_with_what_it_found(lived_in: None, postgres_dsn: str, sessions: Sessions) -> None:
    """`make prove` succeeds with OK, and fails with the queue and the hour once a row is gone."""
    held = prove_command(postgres_dsn)
    assert (held.returncode, held.stdout.splitlines()[-1][:14]) == (0, "OK: 8 enqueued")
    async with sessions.begin() as session:
        await session.execute(text("DELETE FROM jobs WHERE queue = 'bulk' AND state = 'DONE'"))
    failed = prove_command(postgres_dsn)
    assert failed.returncode == 1
    assert f"{KEPT} does not hold, 1 != 0: 1 missing" in failed.stdout.splitlines()[-1]


def test_command_asks_the_running_stack(postgres_dsn: str, tmp_path: Path) -> None:
    """Without an address it finds the one that `make run` wrote down; an empty queue adds up."""
    (tmp_path / "endpoints.json").write_text(json.dumps({"postgres_dsn": postgres_dsn}))
    held = prove_command("", MILLRACE_STATE_DIR=str(tmp_path))
    assert (held.returncode, held.stdout.splitlines()[-1][:14]) == (0, "OK: 0 enqueued")


def test_command_without_a_stack_says_what_to_do(tmp_path: Path) -> None:
    """Nobody mistakes "could not be asked" for either answer."""
    refused = prove_command("", MILLRACE_STATE_DIR=str(tmp_path))
    assert refused.returncode == 2
    assert "make run" in refused.stderr


def prove_command(dsn: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.jobs", "prove"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
            "MILLRACE_POSTGRES_DSN": dsn,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
