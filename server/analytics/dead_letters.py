"""Use cases of dead letters: looking at them, and putting their records back onto the streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from millrace.streams.keys import RECORD_FIELD, StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis, RedisFailure
from server.analytics.errors import StreamUnavailable
from server.analytics.stored_events import DeadLetter, DeadLetterRepository
from server.audit import AuditRepository
from server.auth.actor import Actor
from server.db.engine import Sessions


@dataclass(frozen=True, slots=True)
class Replay:
    """Letters whose records are on their streams again, and chosen ones that stay."""

    replayed: int
    kept: int


class DeadLetterService:
    """Constructor: the session factory, and the streams of clicks and events."""

    def __init__(self, sessions: Sessions, redis: PipeliningRedis, keys: StreamKeys) -> None:
        self._sessions = sessions
        self._redis = redis
        self._streams = [stream.decode() for stream in (*keys.all_clicks(), *keys.all_events())]

    async def page(
        self, reason: str | None, *, size: int, after: tuple[datetime, str, str, int] | None
    ) -> list[DeadLetter]:
        """At most `size` letters that died before `after`, newest first."""
        async with self._sessions() as session:
            return await DeadLetterRepository(session).page(reason, size=size, after=after)

    async def replay(self, actor: Actor, reason: str | None, *, limit: int) -> Replay:
        """Puts back the letters that died first, at most `limit`; raises StreamUnavailable when none went.

        A letter goes only after its record was taken. Cut short in between, both exist: then the record is
        put back twice, and counted once, for its id is stored once.
        """
        async with self._sessions.begin() as session:
            repository = DeadLetterRepository(session)
            letters = await repository.lock_oldest(reason, self._streams, limit=limit)
            taken = await self._append(letters)
            if letters and not taken:
                raise StreamUnavailable
            if taken:
                await repository.remove(taken)
                AuditRepository(session).add(
                    actor,
                    "dead_letter.replay",
                    "dead_letters",
                    before=None,
                    after={"replayed": len(taken), "reason": reason},
                )
        return Replay(len(taken), len(letters) - len(taken))

    async def _append(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """The letters whose records Redis confirmed, up to the first that it did not."""
        taken: list[DeadLetter] = []
        for letter in letters:
            try:
                await self._redis.execute("XADD", letter.stream, "*", RECORD_FIELD, letter.record)
            except RedisFailure:
                break
            taken.append(letter)
        return taken
