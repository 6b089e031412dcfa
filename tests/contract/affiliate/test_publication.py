"""Publishing by job: what closes the gap between a link's commit and Redis."""

import uuid

import pytest
from sqlalchemy import text

from millrace.affiliate.v1 import affiliate_service_pb2 as rpc
from millrace.affiliate.v1.link_pb2 import Link
from millrace.streams.links import LinkStatus
from millrace.streams.redis_pipe import RedisFailure, RedisUnavailable
from server.affiliate import publishing
from server.affiliate.publishing import SnapshotPublisher
from server.affiliate.service.publication import LinkPublication, Publication
from server.auth.principal import Principal
from server.errors import AlreadyExists
from tests.contract.affiliate.callers import PUBLIC_URL, Affiliate


@pytest.fixture
def subject(affiliate: Affiliate) -> LinkPublication:
    publisher = SnapshotPublisher(affiliate.redis, affiliate.keys)
    return LinkPublication(affiliate.sessions, publisher=publisher, public_url=PUBLIC_URL)


@pytest.fixture
def deaf_redis(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Redis takes no snapshot, as after a crash between the commit and it, until `undo` is called."""

    async def refuse(*_: object) -> bool:
        raise RedisUnavailable("not now", maybe_executed=False)

    monkeypatch.setattr(publishing, "publish_link", refuse)
    return monkeypatch


async def waiting(affiliate: Affiliate) -> list[str]:
    """The links of the publishing jobs that nobody has started, oldest job first."""
    async with affiliate.sessions() as session:
        found = await session.execute(
            text(
                "SELECT payload->>'link_id', queue FROM jobs "
                "WHERE task = 'affiliate.publish_link' AND state = 'READY' AND attempt = 0 ORDER BY job_id"
            )
        )
        rows = found.all()
    assert all(queue == "critical" for _, queue in rows)
    return [link_id for link_id, _ in rows]


async def forget_jobs(affiliate: Affiliate) -> None:
    async with affiliate.sessions.begin() as session:
        await session.execute(text("DELETE FROM jobs"))


async def test_new_link_comes_with_its_job(affiliate: Affiliate, anna: Principal) -> None:
    """The job is committed with the link, and a repeated request does not add another."""
    links = [await affiliate.link(anna, request_id="r-1") for _ in range(2)]
    assert await waiting(affiliate) == [links[0].link_id]


async def test_refused_link_leaves_no_job(affiliate: Affiliate, anna: Principal) -> None:
    """What is rolled back has nothing to publish."""
    await affiliate.link(anna, custom_code="spring-sale")
    await forget_jobs(affiliate)
    with pytest.raises(AlreadyExists):
        await affiliate.link(anna, custom_code="spring-sale")
    assert await waiting(affiliate) == []


async def test_changes_share_the_job_that_waits(affiliate: Affiliate, anna: Principal) -> None:
    """However often a link changes before a worker comes, one job publishes the newest of it."""
    link = await affiliate.link(anna)
    for change in (rpc.DisableLinkRequest, rpc.EnableLinkRequest, rpc.DisableLinkRequest):
        await affiliate.call(anna, change(link_id=link.link_id))
    assert await waiting(affiliate) == [link.link_id]


async def test_call_that_changes_nothing_adds_no_job(affiliate: Affiliate, anna: Principal) -> None:
    """Enabling what is enabled leaves nothing to publish later."""
    link = await affiliate.link(anna)
    await forget_jobs(affiliate)
    await affiliate.call(anna, rpc.EnableLinkRequest(link_id=link.link_id))
    assert await waiting(affiliate) == []
    await affiliate.call(anna, rpc.DisableLinkRequest(link_id=link.link_id))
    assert await waiting(affiliate) == [link.link_id]


async def test_link_that_redis_never_heard_of_is_published(
    affiliate: Affiliate, anna: Principal, subject: LinkPublication, deaf_redis: pytest.MonkeyPatch
) -> None:
    """The caller got the link although Redis was away; the job brings what was committed last."""
    link = await affiliate.link(anna)
    disabled = await affiliate.call(anna, rpc.DisableLinkRequest(link_id=link.link_id))
    assert isinstance(disabled, Link)
    assert await affiliate.snapshot(link.short_code) is None
    with pytest.raises(RedisFailure):
        await subject.publish(uuid.UUID(link.link_id))
    deaf_redis.undo()
    assert await subject.publish(uuid.UUID(link.link_id)) is Publication.WRITTEN
    snapshot = await affiliate.snapshot(link.short_code)
    assert snapshot is not None
    assert snapshot.status is LinkStatus.DISABLED


async def test_unknown_link_is_nothing_to_publish(subject: LinkPublication) -> None:
    """A job that outlived its link ends well."""
    assert await subject.publish(uuid.uuid4()) is Publication.GONE
