"""Waiting for a PostgreSQL that is away: which failures pass by themselves, and writes that outlast them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from workers.health import Health
from workers.retries import POSTGRES_FAILURES as DRIVER_FAILURES
from workers.retries import pauses, refuses_values

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

POSTGRES: Final = "postgres"

# Longer than PostgreSQL lets a statement take. After it the connection is dead, though nobody said so.
_ANSWER_SECONDS: Final = 20.0

# SQLAlchemy wraps what asyncpg raises, except while a connection is made or breaks between two statements.
POSTGRES_FAILURES: Final = (SQLAlchemyError, *DRIVER_FAILURES)


class Patience:
    """Constructor: the health that is told how PostgreSQL does. An outage is logged once, as is its end."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._failing = False

    async def until_answered(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask until PostgreSQL answers, however long that takes; raises what would only repeat itself.

        An answer may be lost behind a commit, so what is asked must bear being asked twice.
        """
        pause = pauses()
        while True:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    answer = await ask()
            except POSTGRES_FAILURES as error:
                if refuses_values(error.orig if isinstance(error, DBAPIError) else error):
                    raise
                self._note_failure(error)
            else:
                self._note_success()
                return answer
            await asyncio.sleep(next(pause))

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
