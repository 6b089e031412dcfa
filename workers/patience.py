"""Waiting for a PostgreSQL that is away: which failures pass by themselves, and writes that outlast them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from workers.health import Health

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

POSTGRES: Final = "postgres"

# SQLAlchemy wraps what asyncpg raises, except while a connection is made or breaks between two statements.
POSTGRES_FAILURES: Final = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    TimeoutError,
)

# SQLSTATE classes that speak of the values sent; all else (lost connections, restarts, deadlocks, a schema
# not migrated yet) is about the moment.
_CLASSES_ABOUT_THE_VALUES: Final = frozenset({"22", "23", "54"})

_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0


def refuses_values(error: BaseException) -> bool:
    """Whether PostgreSQL refused what was sent, so that sending it again would end the same way."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or "")[:2] in _CLASSES_ABOUT_THE_VALUES


class Patience:
    """Constructor: the health that is told how PostgreSQL does. An outage is logged once, as is its end."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._failing = False

    async def until_answered(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask until PostgreSQL answers, however long that takes; raises what would only repeat itself.

        An answer may be lost behind a commit, so what is asked must bear being asked twice.
        """
        longest = _FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = await ask()
            except POSTGRES_FAILURES as error:
                if refuses_values(error):
                    raise
                self._note_failure(error)
            else:
                self._note_success()
                return answer
            await asyncio.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            longest = min(longest * 2, _LONGEST_PAUSE_SECONDS)

    def _note_failure(self, error: BaseException) -> None:
        self._health.report(POSTGRES, well=False)
        if not self._failing:
            # Not SQLAlchemy's own text, which quotes the statement.
            cause = getattr(error, "orig", None) or error
            log.warning("postgres_failing", error=f"{type(cause).__name__}: {cause}")
        self._failing = True

    def _note_success(self) -> None:
        self._health.report(POSTGRES, well=True)
        if self._failing:
            log.info("postgres_answers_again")
        self._failing = False
