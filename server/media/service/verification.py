"""Looking at an upload before any work is spent on it. Workers judge the whole file afterwards."""

from __future__ import annotations

import asyncio
from typing import Final

from server.media.errors import UploadMissing
from server.media.inspection import START_BYTES, judge_length, judge_start
from server.media.media import Rejection, StoredMedia
from server.media.store import ObjectMissing, ObjectStore, StoreUnavailable

# A caller waits for this; a store that is slower is asked again by the job.
_PATIENCE_SECONDS: Final = 5.0


async def verify_upload(store: ObjectStore, media: StoredMedia) -> Rejection | None:
    """What length and first bytes say against the upload. Raises UploadMissing, StoreUnavailable."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            facts = await store.head(media.key)
            if rejection := judge_length(facts.size, media.declared_bytes):
                return rejection
            return judge_start(await store.read_start(media.key, START_BYTES), media.content_type)
    except ObjectMissing as error:
        raise UploadMissing from error
    except TimeoutError as error:
        raise StoreUnavailable(f"no answer within {_PATIENCE_SECONDS:g} s") from error
