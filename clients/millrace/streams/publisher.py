"""How the server tells every edge about a link: the snapshot in Redis."""

from __future__ import annotations

from typing import Final

from millrace.streams.functions import PUBLISH_LINK
from millrace.streams.keys import StreamKeys
from millrace.streams.links import LinkSnapshot, pack
from millrace.streams.redis_pipe import PipeliningRedis

# A crash between commit and publication leaves an older snapshot behind for at most this long.
SNAPSHOT_SECONDS: Final = 30


async def publish_link(redis: PipeliningRedis, keys: StreamKeys, code: str, snapshot: LinkSnapshot) -> bool:
    """Publishes a committed link unless Redis holds a newer version; says whether it was written.

    Call it after the commit. Repeating it is harmless and extends the snapshot's life. Raises RedisFailure.
    """
    written = await redis.fcall(PUBLISH_LINK, [keys.link(code)], [pack(snapshot), SNAPSHOT_SECONDS])
    return bool(written)
