"""The audit that all domains share."""

import uuid

from sqlalchemy import select, text

from server.audit import AuditEntry, AuditRepository
from server.auth.actor import Actor
from server.auth.principal import Principal, Role
from server.db.engine import make_engine, make_sessions
from server.db.migrations import upgrade

ADMIN = Actor(Principal("admin@test", Role.ADMIN), "request-1")


async def test_what_was_noted_before_it_was_shared_is_still_there(empty_postgres_dsn: str) -> None:
    """The rows of the affiliate domain's own audit become rows of the shared one."""
    await upgrade(empty_postgres_dsn, "0004_jobs")
    engine = make_engine(empty_postgres_dsn)
    sessions = make_sessions(engine)
    try:
        async with sessions.begin() as session:
            old = text(
                "INSERT INTO affiliate_audit (entry_id, actor, action, subject, request_id)"
                " VALUES (gen_random_uuid(), 'a', 'link.disable', 'link/1', 'r')"
            )
            await session.execute(old)
        await upgrade(empty_postgres_dsn)
        async with sessions() as session:
            assert list(await session.scalars(select(AuditEntry.subject))) == ["link/1"]
    finally:
        await engine.dispose()


async def test_an_entry_is_kept_only_with_its_change(postgres_dsn: str) -> None:
    """A transaction that is rolled back leaves no word of what it did not do."""
    engine = make_engine(postgres_dsn)
    sessions = make_sessions(engine)
    subject = f"job/{uuid.uuid4()}"
    try:
        async with sessions() as session:
            AuditRepository(session).add(ADMIN, "job.cancel", subject, before=None, after={})
            await session.flush()
            await session.rollback()
        async with sessions.begin() as session:
            AuditRepository(session).add(ADMIN, "job.retry", subject, before={"state": "DEAD"}, after=None)
        async with sessions() as session:
            [entry] = await session.scalars(select(AuditEntry))
    finally:
        await engine.dispose()
    assert (entry.actor, entry.action, entry.request_id) == ("admin@test", "job.retry", "request-1")
    assert (entry.before, entry.after) == ({"state": "DEAD"}, None)
