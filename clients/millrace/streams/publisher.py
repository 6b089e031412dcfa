"""How the server tells every edge about a link: the snapshot in Redis."""

from __future__ import annotations

from typing import Final

from millrace.streams.functions import PUBLISH_LINK
from millrace.streams.keys import StreamKeys
from millrace.streams.links import LinkSnapshot, pack
from millrace.streams.redis_pipe import PipeliningRedis

# After a crash between commit and publication the link's job publishes; should that be late as well, an older
# snapshot lives for at most this long.
SNAPSHOT_SECONDS: Final = 30


async def publish_link(redis: PipeliningRedis, keys: StreamKeys, code: str, snapshot: LinkSnapshot) -> bool:
    """Publishes a committed link unless Redis holds a newer version; says whether it was written.

    Call it after the commit. Repeating it is harmless and extends the snapshot's life. Raises RedisFailure.
    """
    written = await redis.fcall(PUBLISH_LINK, [keys.link(code)], [pack(snapshot), SNAPSHOT_SECONDS])
    return bool(written)
