"""One at a time for the same bytes: whoever makes their variants or removes them. Touches no row."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# First half of the advisory lock; the first bytes of the content's hash are the other. Two contents that
# share these wait for each other for nothing, once in four thousand million.
_CONTENT_LOCK: Final = 0x6D656469

_LOCK = text(f"SELECT pg_advisory_xact_lock({_CONTENT_LOCK}, :content)")
_TRY = text(f"SELECT pg_try_advisory_xact_lock({_CONTENT_LOCK}, :content)")


async def lock_content(session: AsyncSession, sha256: bytes) -> None:
    """Waits until nobody else's transaction holds the content, then holds it until the session's ends.

    Statements behind it see what the holder before committed. Take it before any row of a picture or a
    rendition is locked or deleted: making variants goes that way, and the other way round is a deadlock.
    """
    await session.execute(_LOCK, {"content": _number_of(sha256)})


async def try_lock_content(session: AsyncSession, sha256: bytes) -> bool:
    """Holds the content as `lock_content` does, if nobody else holds it now. Waits for nobody, so it may come
    behind any row.
    """
    return bool(await session.scalar(_TRY, {"content": _number_of(sha256)}))


def _number_of(sha256: bytes) -> int:
    return int.from_bytes(sha256[:4], "big", signed=True)
