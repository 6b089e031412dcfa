"""Upkeep at an operator's word: `python -m server.media`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from server.media.__main__ import main
from server.media.settings import MediaSettings
from tests.contract.media.working.ground import KEYS, Ground

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(postgres_dsn: str, media_settings: MediaSettings) -> Run:
    assert media_settings.s3_secret_key is not None
    env = {
        "MILLRACE_POSTGRES_DSN": postgres_dsn,
        "MILLRACE_S3_ENDPOINT": media_settings.s3_endpoint,
        "MILLRACE_S3_BUCKET": media_settings.s3_bucket,
        "MILLRACE_S3_ACCESS_KEY": media_settings.s3_access_key,
        "MILLRACE_S3_SECRET_KEY": media_settings.s3_secret_key.get_secret_value(),
    }

    async def invoke(*words: str, **other: str) -> Result:
        return await asyncio.to_thread(CliRunner(env={**env, **other}).invoke, main, words)

    return invoke


async def test_reconcile_tells_first_and_repairs_when_told(ground: Ground, run: Run) -> None:
    """A dry run changes nothing of what it tells; the other mends it."""
    media_id = await ground.ready()
    await ground.store.delete([KEYS[0]])
    for words, repairs in ((["--dry-run"], {}), ([], {"again": 1, "unused": 0})):
        assert await ground.variants(media_id) == KEYS
        result = await run("reconcile", *words)
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout[result.stdout.index("{\n") :])
        assert (report["lost_renditions"]["keys"], report["repairs"]) == ([KEYS[0]], repairs)
    assert await ground.queued("media.process") == [{"media_id": str(media_id)}]


async def test_what_keeps_it_from_working_is_said(ground: Ground, run: Run) -> None:
    """1: nothing was touched because too much is missing. 2: somebody could not be asked."""
    media_id = await ground.ready()
    await ground.store.delete(await ground.objects())
    refused = await run("reconcile")
    assert (refused.exit_code, "3 of 3 rows have no object" in refused.stderr) == (1, True)
    away = await run("reconcile", MILLRACE_S3_BUCKET="no-such-bucket")
    assert (away.exit_code, "could not be asked" in away.stderr) == (2, True)
    assert (await ground.row(media_id)).status == "READY"


async def test_sweep_removes_what_was_given_up(ground: Ground, run: Run) -> None:
    """And says how much it was."""
    await ground.add_picture(None, status="PENDING", age=timedelta(hours=25))
    await ground.add_picture(status="PROCESSING", age=timedelta(hours=2))
    result = await run("sweep")
    assert result.exit_code == 0
    assert "1 uploads never completed were removed, 1 stuck pictures" in result.stdout
    assert await ground.column("SELECT status FROM media") == ["PROCESSING"]
