"""The analytics service behind the rules of the contract, and rows as the drain counts them."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
from google.protobuf.message import Message

from millrace.streams.ids import id_bytes_at
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.closing import close_days
from server.analytics.counting import CountedClick, CountedEvent, apply, lock_days, tally_clicks, tally_events
from server.analytics.counting import touch_sessions as widen_sessions
from server.analytics.servicer import AnalyticsServicer
from server.auth.principal import Principal, Role, acting_as
from server.db.engine import Sessions
from server.rpc.validation import ContractRules

OPERATOR = Principal("operator@test", Role.ADMIN)
DAY_MS = 86_400_000


def at(text: str) -> int:
    """Unix milliseconds of an instant; without a zone it is UTC's."""
    instant = datetime.fromisoformat(text)
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)


def event(when: str | int, session: str = "s-1", /, **given: Any) -> CountedEvent:
    """A page view of a person, changed as told."""
    facts: dict[str, Any] = {
        "type": "page_view",
        "occurred_ms": when if isinstance(when, int) else at(when),
        "human": True,
        "session_id": session,
        "user_id": None,
        "product_id": None,
        "source": "direct",
        "device": "mobile",
        "country": "DE",
    }
    return CountedEvent(**{**facts, **given})


@dataclass
class Analysts:
    """The servicer, and the stores behind it."""

    servicer: AnalyticsServicer
    rules: ContractRules
    sessions: Sessions
    postgres: asyncpg.Connection
    redis: PipeliningRedis
    keys: StreamKeys

    async def call(self, request: Message, principal: Principal = OPERATOR) -> Any:
        """The answer to a request, whose type names the method."""
        self.rules.check(request)
        method = getattr(self.servicer, type(request).__name__.removesuffix("Request"))
        with acting_as(principal):
            return await method(request, None)

    async def count(self, events: Iterable[CountedEvent] = (), clicks: Iterable[CountedClick] = ()) -> None:
        """Counts them as the drain does; no raw rows are written."""
        counted = list(events)
        async with self.postgres.transaction():
            tallied = [tally_events(counted), tally_clicks(clicks)]
            await lock_days(self.postgres, set().union(*(each.days() for each in tallied)))
            for increments in tallied:
                await apply(self.postgres, increments)
            await widen_sessions(self.postgres, counted)

    async def close(self, first: date, last: date) -> int:
        """Sums up the days, as the hourly job does; how many."""
        epoch = date(1970, 1, 1)
        return await close_days(self.postgres, (first - epoch).days, (last - epoch).days)

    async def sell(self, *conversions: tuple[str, str, str | None, str, int, int]) -> None:
        """Lets there be conversions: when, status, product, currency, revenue, commission."""
        rows = ", ".join(
            f"('{uuid.UUID(bytes=id_bytes_at(at(when)))}'::uuid, '{when}+00'::timestamptz, "
            f"{'NULL' if product is None else repr(product)}::text, NULL::uuid, '{status}', '{currency}', "
            f"{revenue}::bigint, {commission}::bigint)"
            for when, status, product, currency, revenue, commission in conversions
        )
        columns = "conversion_id, converted_at, product_id, partner_id, status, currency, revenue, commission"
        await self.postgres.execute(
            f"CREATE OR REPLACE VIEW conversion_facts AS SELECT * FROM (VALUES {rows}) AS made ({columns})"  # noqa: S608
        )
