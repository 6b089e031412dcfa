"""Publishing link snapshots to a real Redis: never over a newer version, never for ever."""

import asyncio
import itertools

import pytest

from millrace.streams.ids import new_id_bytes
from millrace.streams.keys import StreamKeys
from millrace.streams.links import LinkSnapshot, LinkStatus, unpack
from millrace.streams.publisher import SNAPSHOT_SECONDS, publish_link
from millrace.streams.redis_pipe import PipeliningRedis

# Each step crosses a border at which another kind of comparison goes wrong: a byte, half, 2^53, all.
VERSIONS = [0, 1, 255, 256, (1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 53) + 2, 1 << 63, (1 << 64) - 1]


def snapshot(version: int, destination: str = "https://shop.example/p/1") -> LinkSnapshot:
    """A link at a version."""
    return LinkSnapshot(
        version=version,
        status=LinkStatus.ACTIVE,
        link_id=new_id_bytes(),
        partner_id=new_id_bytes(),
        product_id=None,
        destination=destination,
        fallback_url=None,
        expires_at_ms=None,
        forward_query=False,
        click_id_parameter=None,
        attribution_window_s=2_592_000,
    )


async def published(redis: PipeliningRedis, keys: StreamKeys) -> LinkSnapshot:
    """What an edge would read."""
    return unpack(await redis.execute("GET", keys.link("code")))


async def test_a_snapshot_is_read_as_published(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """The bytes go through Redis unchanged."""
    subject = snapshot(7)
    assert await publish_link(redis, keys, "code", subject) is True
    assert await published(redis, keys) == subject


@pytest.mark.parametrize(("older", "newer"), list(itertools.pairwise(VERSIONS)))
async def test_an_older_version_never_replaces_a_newer(
    redis: PipeliningRedis, keys: StreamKeys, older: int, newer: int
) -> None:
    """A late publication of an older commit changes nothing; the right order replaces."""
    await publish_link(redis, keys, "code", snapshot(older))
    assert await publish_link(redis, keys, "code", snapshot(newer)) is True
    assert await publish_link(redis, keys, "code", snapshot(older)) is False
    assert (await published(redis, keys)).version == newer


async def test_the_same_version_again_extends_its_life(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """A server that was asked for a link publishes it again."""
    subject = snapshot(3)
    await publish_link(redis, keys, "code", subject)
    await redis.execute("EXPIRE", keys.link("code"), 5)
    assert await publish_link(redis, keys, "code", subject) is True
    assert SNAPSHOT_SECONDS - 3 < await redis.execute("TTL", keys.link("code")) <= SNAPSHOT_SECONDS


async def test_a_refused_publication_does_not_extend_the_newer_one(
    redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Thirty seconds are a bound, so only the version itself renews them."""
    await publish_link(redis, keys, "code", snapshot(3))
    await redis.execute("EXPIRE", keys.link("code"), 5)
    await publish_link(redis, keys, "code", snapshot(2))
    assert await redis.execute("TTL", keys.link("code")) <= 5


async def test_publications_in_any_order_end_at_the_newest(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Fifty racing publications leave the highest version."""
    await asyncio.gather(
        *(publish_link(redis, keys, "code", snapshot(version * 37 % 50)) for version in range(50))
    )
    assert (await published(redis, keys)).version == 49


async def test_foreign_bytes_in_the_key_are_replaced(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """What has no version cannot be newer."""
    await redis.execute("SET", keys.link("code"), "x")
    assert await publish_link(redis, keys, "code", snapshot(0)) is True
