"""The use case of reading a link's clicks. Counting them is the drain's work."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from server.affiliate.clicks import DayClicks, click_series_by_day
from server.affiliate.repository.links import LinkRepository
from server.affiliate.repository.programs import ProgramRepository
from server.affiliate.service.errors import LinkNotFound, refused_field
from server.auth.actor import Actor
from server.db.engine import Sessions

# The instant before which every recorded click is counted; None when that cannot be known at the moment.
CompleteUntil = Callable[[], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """Clicks by day of `time_zone`, oldest first; complete before `as_of`."""

    link_id: uuid.UUID
    days: Sequence[DayClicks]
    as_of: datetime
    time_zone: str

    @property
    def human(self) -> int:
        return sum(day.human for day in self.days)

    @property
    def unique(self) -> int:
        return sum(day.unique for day in self.days)

    @property
    def bot(self) -> int:
        return sum(day.bot for day in self.days)


class StatisticsService:
    """Constructor: the session factory, and who knows until when clicks are counted."""

    def __init__(self, sessions: Sessions, *, complete_until: CompleteUntil) -> None:
        self._sessions = sessions
        self._complete_until = complete_until

    async def of_link(
        self, actor: Actor, link_id: uuid.UUID, start: datetime | None, end: datetime | None
    ) -> LinkStatistics:
        """The link's clicks from `start` to before `end` in whole quarter hours; raises LinkNotFound.

        While it cannot be known until when clicks are counted, `as_of` is when the link was made: the
        counts are at least these.
        """
        if start is not None and end is not None and start >= end:
            raise refused_field("end", "must be later than start")
        as_of = await self._complete_until()
        async with self._sessions() as session:
            link = await LinkRepository(session).find(link_id)
            if link is None or not actor.may_see(link.partner_id):
                raise LinkNotFound
            zone = (await ProgramRepository(session).read()).time_zone
            days = await click_series_by_day(session, link_id, start, end, zone)
        return LinkStatistics(link_id, days, as_of or link.created_at, zone)
