"""Finds, adds and lists partners."""

import uuid

from sqlalchemy import select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.affiliate.models import Partner, Program
from server.affiliate.partner_status import PartnerStatus


class PartnerRepository:
    """Partners as one session sees them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, partner: Partner) -> Partner | None:
        """The stored partner; None, and nothing stored, when another one has its address."""
        query = (
            insert(Partner)
            .values(
                partner_id=partner.partner_id,
                name=partner.name,
                email=partner.email,
                email_key=partner.email_key,
                customer_id=partner.customer_id,
                status=partner.status,
                commission_rate=partner.commission_rate,
                commission_amount=partner.commission_amount,
                commission_currency=partner.commission_currency,
            )
            .on_conflict_do_nothing(index_elements=[Partner.email_key])
            .returning(Partner)
        )
        return (await self._session.scalars(query)).one_or_none()

    async def find(self, partner_id: uuid.UUID) -> Partner | None:
        """The partner, unlocked."""
        return await self._session.get(Partner, partner_id)

    async def lock(self, partner_id: uuid.UUID) -> Partner | None:
        """The partner, held against other writers until the transaction ends."""
        return await self._session.get(Partner, partner_id, with_for_update=True)

    async def find_with_program(self, partner_id: uuid.UUID) -> tuple[Partner, Program] | None:
        """The partner and the program in one round trip, unlocked."""
        query = select(Partner, Program).join(Program, true()).where(Partner.partner_id == partner_id)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def page(
        self, *, size: int, after: uuid.UUID | None, status: PartnerStatus | None
    ) -> list[Partner]:
        """At most `size` partners that are older than `after`, newest first."""
        query = select(Partner).order_by(Partner.partner_id.desc()).limit(size)
        if after is not None:
            query = query.where(Partner.partner_id < after)
        if status is not None:
            query = query.where(Partner.status == status)
        return list(await self._session.scalars(query))
