"""Sends events to an edge, over either of its two ways in, and reads what became of them."""

import json
from typing import Any

from edge.connections import EVENTS_PATH
from millrace.streams.event_records import StreamEvent, decode_events
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.edge.raw_client import HOST, RawAnswer, ask_once, request
from tests.contract.edge.running_edge import CHROME, Edge

# A plain request to exactly this path is answered without the application; with a query it never is.
PLAIN = EVENTS_PATH
BY_APPLICATION = f"{EVENTS_PATH}?way=application"
BOTH_WAYS = (PLAIN, BY_APPLICATION)
JSON = "Content-Type: application/json"


def event(**members: Any) -> dict[str, Any]:
    """A good event, changed; None leaves a member out."""
    whole = {"type": "page_view", "sessionId": "s-1"} | members
    return {name: value for name, value in whole.items() if value is not None}


def posted(
    body: bytes,
    *headers: str,
    target: str = PLAIN,
    content_type: str = JSON,
    visitor: str = "198.51.100.7",
    agent: str = CHROME,
) -> bytes:
    """A browser's POST; what is "" is left out."""
    lines = [HOST, f"Content-Length: {len(body)}", content_type, *headers]
    lines += [f"X-Forwarded-For: {visitor}" if visitor else "", f"User-Agent: {agent}" if agent else ""]
    return request(target, *filter(None, lines), method="POST") + body


async def send(edge: Edge, body: object, *headers: str, **options: Any) -> RawAnswer:
    """Sends JSON, or bytes as they are, on a connection of its own."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await ask_once(edge.address, posted(content, *headers, **options))


async def stored_events(redis: PipeliningRedis, keys: StreamKeys) -> list[StreamEvent]:
    """Every event in the streams, oldest first within a shard."""
    events: list[StreamEvent] = []
    for stream in keys.all_events():
        for _, fields in await redis.execute("XRANGE", stream, "-", "+"):
            events += decode_events(fields[1])
    return events


async def everything_stored(redis: PipeliningRedis, keys: StreamKeys) -> list[bytes]:
    """The keys of a deployment, without those of the rate limit."""
    found: list[bytes] = await redis.execute("KEYS", f"{keys.prefix}:*")
    return [key for key in found if b":rate:" not in key]
