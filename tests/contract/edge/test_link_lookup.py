"""Where links come from: memory, the Redis snapshot, the server."""

import asyncio
from pathlib import Path

import pytest

from edge import lookup
from millrace.affiliate.v1 import link_pb2
from millrace.streams.ids import new_id_bytes
from millrace.streams.keys import StreamKeys
from millrace.streams.links import LinkSnapshot, LinkStatus
from millrace.streams.publisher import publish_link
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.running_edge import Edge


def snapshot(*, version: int = 1, status: LinkStatus = LinkStatus.ACTIVE) -> LinkSnapshot:
    return LinkSnapshot(
        version=version,
        status=status,
        link_id=b"L" * 6 + new_id_bytes()[6:],
        partner_id=new_id_bytes(),
        product_id="sku-1",
        destination="https://shop.example/published",
        fallback_url=None,
        expires_at_ms=None,
        forward_query=False,
        click_id_parameter=None,
        attribution_window_s=60,
    )


async def test_a_hundred_concurrent_misses_are_one_question(edge: Edge, link_server: LinkServer) -> None:
    """They share one call to the server, and all get its answer."""
    link_server.delay_seconds = 0.2
    responses = await asyncio.gather(*(edge.get("/l/shoe22", visitor=f"10.9.0.{i}") for i in range(100)))
    assert [response.status for response in responses] == [302] * 100
    assert link_server.asked["shoe22"] == 1
    assert link_server.credentials == {"Bearer service-token"}


async def test_a_shopper_who_leaves_takes_nobody_along(edge: Edge, link_server: LinkServer) -> None:
    """The look-up goes on for the others."""
    link_server.delay_seconds = 0.3
    leaver = asyncio.create_task(edge.get("/l/shoe22"))
    await asyncio.sleep(0.1)
    stayer = asyncio.create_task(edge.get("/l/shoe22"))
    await asyncio.sleep(0.05)
    leaver.cancel()
    assert (await stayer).status == 302
    assert link_server.asked["shoe22"] == 1


async def test_misses_are_remembered(edge: Edge, link_server: LinkServer) -> None:
    """A code that is no link is asked for once in five seconds."""
    for _ in range(3):
        assert (await edge.get("/l/nowhere")).status == 404
    assert link_server.asked["nowhere"] == 1


async def test_the_snapshot_comes_before_the_server(
    edge: Edge, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """What the server has published is not asked for again."""
    await publish_link(redis, keys, "publ22", snapshot())
    response = await edge.get("/l/publ22")
    assert response.headers["Location"] == "https://shop.example/published"
    assert not link_server.asked


async def test_an_unreadable_snapshot_is_as_none(
    edge: Edge, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """A newer release's snapshot sends the edge to the server."""
    await redis.execute("SET", keys.link("shoe22"), b"\0" * 8 + b"\xffwhat is this")
    assert (await edge.get("/l/shoe22")).status == 302
    assert link_server.asked["shoe22"] == 1


async def test_disabling_is_seen_within_the_freshness(
    edge: Edge,
    link_server: LinkServer,
    redis: PipeliningRedis,
    keys: StreamKeys,
) -> None:
    """Every edge serves a link from memory for at most five seconds."""
    await publish_link(redis, keys, "publ22", snapshot())
    assert (await edge.get("/l/publ22")).status == 302
    await publish_link(redis, keys, "publ22", snapshot(version=2, status=LinkStatus.DISABLED))
    async with asyncio.timeout(lookup.FRESH_SECONDS + 0.5):
        while (await edge.get("/l/publ22")).status != 410:
            await asyncio.sleep(0.1)


async def test_a_miss_ends_when_the_link_is_made(edge: Edge, link_server: LinkServer) -> None:
    """A code that was asked for before it existed works within five seconds of its making."""
    assert (await edge.get("/l/later2")).status == 404
    link_server.add("later2")
    async with asyncio.timeout(lookup.FRESH_SECONDS + 0.5):
        while (await edge.get("/l/later2")).status != 302:
            await asyncio.sleep(0.1)


async def test_more_links_than_are_kept_decoded(
    edge: Edge, link_server: LinkServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The rest is served from the packed cache, each link still its own."""
    monkeypatch.setattr(lookup, "HOT_LINKS", 3)
    codes = [f"many{number}" for number in range(10)]
    for code in codes:
        link_server.add(code, f"https://shop.example/{code}", status=link_pb2.Link.ACTIVE)
    for _ in range(2):
        for code in codes:
            assert (await edge.get(f"/l/{code}")).headers["Location"] == f"https://shop.example/{code}"
    assert set(link_server.asked.values()) == {1}
