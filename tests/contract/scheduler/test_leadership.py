"""One scheduler acts; when it stops, dies or freezes, another does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from server.jobs.leadership import Leadership
from tests.contract.scheduler.conftest import rows

END_LEASE = "UPDATE scheduler_lease SET held_until = clock_timestamp() - interval '1 millisecond'"


@pytest.fixture
def first() -> Leadership:
    return Leadership("first")


@pytest.fixture
def second() -> Leadership:
    return Leadership("second")


async def test_one_holds_the_lease(
    connection: AsyncConnection, first: Leadership, second: Leadership
) -> None:
    """The first to come holds it and renews it; the other gets nothing meanwhile."""
    assert await first.hold(connection) is not None
    assert await second.hold(connection) is None
    assert await first.hold(connection) is not None


async def test_a_silent_holder_is_replaced(
    connection: AsyncConnection, first: Leadership, second: Leadership
) -> None:
    """Once the lease has ended another takes it, and the old holder learns so when it wakes."""
    await first.hold(connection)
    await rows(connection, END_LEASE)

    assert await second.hold(connection) is not None
    assert await first.hold(connection) is None


async def test_a_stopped_holder_is_replaced_at_once(
    connection: AsyncConnection, first: Leadership, second: Leadership
) -> None:
    """Releasing leaves the place free; releasing what another holds takes nothing from it."""
    await first.hold(connection)
    await first.release(connection)

    assert await second.hold(connection) is not None
    await first.release(connection)
    assert await first.hold(connection) is None


async def test_a_renewal_lasts_for_the_lease(connection: AsyncConnection) -> None:
    """The instant returned is PostgreSQL's, and the lease counts from it."""
    held_at = await Leadership("it", lease=timedelta(seconds=7)).hold(connection)

    [(left,)] = await rows(connection, "SELECT held_until FROM scheduler_lease")
    assert held_at is not None
    assert abs(left - held_at - timedelta(seconds=7)) < timedelta(milliseconds=50)  # type: ignore[operator]
