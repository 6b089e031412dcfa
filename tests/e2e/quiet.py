"""Whether anything accepted is still on its way to Postgres: in the edges' spools or in the streams."""

from __future__ import annotations

import contextlib
import re

import aiohttp
import redis.asyncio

from millrace.streams.keys import GROUP, StreamKeys
from tests.stack import Stack

SPOOLED = re.compile(r"^millrace_edge_events_spooled_total ([0-9.e+]+)$", re.MULTILINE)


async def is_quiet(stack: Stack) -> bool:
    """Whether Postgres has all that was accepted; no, while Redis cannot be asked."""
    # In this order: what leaves the spool is in a stream before.
    return spooled_bytes(stack) == 0 and await streams_are_empty(stack)


async def streams_are_empty(stack: Stack) -> bool:
    """Whether every record that Redis has is stored and acknowledged."""
    keys = StreamKeys()
    try:
        async with redis.asyncio.Redis.from_url(stack["redis_url"]) as client:
            for stream in (*keys.all_clicks(), *keys.all_events()):
                groups = {group["name"].decode(): group for group in await client.xinfo_groups(stream)}
                if await client.xlen(stream) or groups[GROUP]["pending"]:
                    return False
    except (OSError, redis.exceptions.RedisError, KeyError):
        return False
    return True


def spooled_bytes(stack: Stack) -> int:
    """What waits in the spools to be replayed, whoever owns them."""
    total = 0
    for file in (stack.folder / "state" / "spool").glob("*.spool"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


async def spooled_events(stack: Stack) -> int:
    """Events that the edges have spooled so far. A machine that stalls longer than Redis may take makes some,
    which the live counters then may lack.
    """
    total = 0.0
    async with aiohttp.ClientSession() as session:
        for name, address in stack.endpoints["metrics"].items():
            if name.startswith("edge"):
                async with session.get(address) as answer:
                    total += sum(map(float, SPOOLED.findall(await answer.text())))
    return int(total)
