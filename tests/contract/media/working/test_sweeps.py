"""Uploads that were never completed go, pictures that got stuck go on, and nothing else is touched."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from server.media.sweeps import UploadSweep
from tests.contract.media.working.ground import BODY, Ground

DAY = timedelta(hours=25)
HOUR = timedelta(minutes=61)


@pytest.fixture
def sweep(ground: Ground) -> UploadSweep:
    """In batches of two, so that several are needed."""
    return UploadSweep(ground.sessions, ground.store, ground.jobs, batch=2)


async def silent(count: int, what: str) -> None:
    """Shows no progress."""


async def test_uploads_never_completed_are_removed_after_a_day(ground: Ground, sweep: UploadSweep) -> None:
    """Rows and objects, where there are any; younger ones stay."""
    for body in (BODY, None, BODY, None, None):
        await ground.add_picture(body, status="PENDING", age=DAY)
    young = await ground.add_picture(status="PENDING", age=timedelta(hours=23))
    assert await sweep.remove_abandoned(silent) == 5
    assert await ground.column("SELECT media_id FROM media") == [young]
    assert await ground.objects() == [(await ground.row(young)).key]


@pytest.mark.parametrize("status", ["PROCESSING", "READY"])
async def test_pictures_that_came_further_stay(ground: Ground, sweep: UploadSweep, status: str) -> None:
    """However old they are."""
    media_id = await ground.add_picture(status=status, age=DAY)
    assert await sweep.remove_abandoned(silent) == 0
    assert await ground.objects() == [(await ground.row(media_id)).key]


async def test_picture_that_somebody_holds_is_left_for_the_next_time(
    ground: Ground, sweep: UploadSweep
) -> None:
    """It may be verified at this moment."""
    held, free = [await ground.add_picture(status="PENDING", age=DAY) for _ in range(2)]
    async with ground.transaction() as session:
        query = text("SELECT FROM media WHERE media_id = :id FOR UPDATE")
        await session.execute(query.bindparams(id=held))
        assert await sweep.remove_abandoned(silent) == 1
    assert await ground.row(free) is None
    assert await sweep.remove_abandoned(silent) == 1


async def test_stuck_pictures_have_their_job_again_once_an_hour(ground: Ground, sweep: UploadSweep) -> None:
    """Each once, however many batches there are; those touched since are left alone."""
    stuck = [await ground.add_picture(age=HOUR) for _ in range(3)]
    await ground.add_picture(age=timedelta(minutes=59))
    await ground.add_picture(status="READY", age=HOUR)
    assert [await sweep.resume_stuck(silent) for _ in range(2)] == [3, 0]
    queued = await ground.queued("media.process")
    assert sorted(each["media_id"] for each in queued) == sorted(map(str, stuck))
