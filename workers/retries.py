"""Which failures pass by themselves, and how long to wait for that. What to repeat is for the callers."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from typing import Final

import asyncpg
from redis.exceptions import RedisError

# asyncpg wraps most lost connections, but not all of them. A server that says goodbye between two statements
# leaves the connection in a state whose next use raises InternalClientError.
POSTGRES_FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    TimeoutError,
)
REDIS_FAILURES: Final = (RedisError, OSError, TimeoutError)

# SQLSTATE classes that speak of what was sent: data exception, integrity constraint violation, program limit
# exceeded. All else (lost connections, restarts, deadlocks, a schema not migrated yet) is about the moment,
# and is tried again.
_CLASSES_ABOUT_THE_VALUES: Final = frozenset({"22", "23", "54"})

_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0


def refuses_values(error: BaseException | None) -> bool:
    """Whether PostgreSQL refused what was sent, so that sending it again would end the same way."""
    return str(getattr(error, "sqlstate", None) or "")[:2] in _CLASSES_ABOUT_THE_VALUES


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try: doubling to one second, with jitter so that they spread."""
    longest = _FIRST_PAUSE_SECONDS
    while True:
        yield longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        longest = min(longest * 2, _LONGEST_PAUSE_SECONDS)


async def wait_unless(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but return at once when the process is asked to stop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
