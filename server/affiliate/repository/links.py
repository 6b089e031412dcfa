"""Finds, adds and lists links."""

import uuid
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.affiliate.models import Link, Partner, Program


@dataclass(frozen=True, slots=True)
class LinkFilter:
    """Which links to list; None means any."""

    partner_id: uuid.UUID | None = None
    status: str | None = None
    product_id: str | None = None
    campaign: str | None = None


_TABLE = cast(Table, Link.__table__)
_GIVEN = tuple(column.key for column in _TABLE.columns if column.server_default is None)
# Core, not ORM, and made once: creating links in bulk is the one place where that is felt.
_ADD = insert(_TABLE).on_conflict_do_nothing().returning(_TABLE.c.created_at, _TABLE.c.updated_at)


class LinkRepository:
    """Links as one session sees them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, link: Link) -> Link | None:
        """The link, now stored; None, and nothing stored, when its code or its request id is in use.

        A row that another transaction is adding is waited for, so None is final. The link stays outside
        the session: it is shown and forgotten.
        """
        values = {name: getattr(link, name) for name in _GIVEN}
        row = (await self._session.execute(_ADD, values)).one_or_none()
        if row is None:
            return None
        link.created_at, link.updated_at = row.created_at, row.updated_at
        return link

    async def find(self, link_id: uuid.UUID) -> Link | None:
        """The link, unlocked."""
        return await self._session.get(Link, link_id)

    async def lock(self, link_id: uuid.UUID) -> tuple[Link, Partner, Program] | None:
        """The link, held against other writers until the transaction ends; its partner; the program.

        The program is held as well, against its own writers only. Else the link could change under an old
        program while somebody reads the old link under a new one: two snapshots of one version.
        """
        query = (
            select(Link, Partner)
            .join(Partner, Partner.partner_id == Link.partner_id)
            .where(Link.link_id == link_id)
            .with_for_update(of=Link)
        )
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        # A statement of its own, after any wait for the link: it sees what was committed meanwhile.
        program = (await self._session.scalars(select(Program).with_for_update(read=True))).one()
        return row[0], row[1], program

    async def find_by_code(self, short_code: str) -> tuple[Link, Program] | None:
        """The link with this normalised code, and the program it is served under."""
        query = select(Link, Program).join(Program, true()).where(Link.short_code == short_code)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def find_with_program(self, link_id: uuid.UUID) -> tuple[Link, Program] | None:
        """The link, and the program it is served under, as they stood at one instant."""
        query = select(Link, Program).join(Program, true()).where(Link.link_id == link_id)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def find_by_request(self, partner_id: uuid.UUID, request_id: str) -> Link | None:
        """The link that this partner's request id created."""
        query = select(Link).where(Link.partner_id == partner_id, Link.request_id == request_id)
        return (await self._session.scalars(query)).one_or_none()

    async def page(self, wanted: LinkFilter, *, size: int, after: uuid.UUID | None) -> list[Link]:
        """At most `size` links that are older than `after`, newest first."""
        query = select(Link).order_by(Link.link_id.desc()).limit(size)
        if after is not None:
            query = query.where(Link.link_id < after)
        if wanted.partner_id is not None:
            query = query.where(Link.partner_id == wanted.partner_id)
        if wanted.status is not None:
            query = query.where(Link.status == wanted.status)
        if wanted.product_id is not None:
            query = query.where(Link.product_id == wanted.product_id)
        if wanted.campaign is not None:
            query = query.where(Link.campaign == wanted.campaign)
        return list(await self._session.scalars(query))
