"""Use cases of partners: who they are, how they stand, and the tokens they are tried out with."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from millrace.streams.ids import new_id_bytes
from server.affiliate.commission import Commission
from server.affiliate.models import Partner
from server.affiliate.partner_status import (
    PartnerAction,
    PartnerStatus,
    RefusedTransition,
    next_status,
)
from server.affiliate.repository.partners import PartnerRepository
from server.affiliate.service import fields
from server.affiliate.service.changes import changed_values
from server.affiliate.service.errors import EmailTaken, MintingDisabled, PartnerNotFound, StatusConflict
from server.affiliate.texts import email_key
from server.audit import AuditRepository
from server.auth.actor import Actor
from server.auth.principal import Role
from server.auth.tokens import MintedToken, TokenMinter
from server.db.engine import Sessions


@dataclass(frozen=True, slots=True)
class NewPartner:
    """What is known of somebody who wants to be a partner."""

    name: str
    email: str
    customer_id: str | None
    commission: Commission | None


class PartnerService:
    """Constructor: the session factory, and what signs tokens (None where tokens are not to be minted)."""

    def __init__(self, sessions: Sessions, *, minter: TokenMinter | None) -> None:
        self._sessions = sessions
        self._minter = minter

    async def create(self, actor: Actor, asked: NewPartner) -> Partner:
        """A new partner, PENDING; raises EmailTaken."""
        partner = Partner(
            partner_id=uuid.UUID(bytes=new_id_bytes()),
            name=fields.line("name", asked.name),
            email=fields.line("email", asked.email),
            email_key=email_key(asked.email),
            customer_id=fields.optional_line("customer_id", asked.customer_id),
            status=PartnerStatus.PENDING.value,
        )
        partner.commission = asked.commission
        async with self._sessions.begin() as session:
            stored = await PartnerRepository(session).add(partner)
            if stored is None:
                raise EmailTaken
            # Name and address stay out of the audit, so that erasing a partner need not rewrite it.
            AuditRepository(session).add(
                actor, "partner.create", _subject(stored), before=None, after={"status": stored.status}
            )
        return stored

    async def read(self, actor: Actor, partner_id: uuid.UUID) -> Partner:
        """The partner; raises PartnerNotFound, also for a partner who asks for another one."""
        if not actor.may_see(partner_id):
            raise PartnerNotFound(partner_id)
        async with self._sessions() as session:
            partner = await PartnerRepository(session).find(partner_id)
        if partner is None:
            raise PartnerNotFound(partner_id)
        return partner

    async def page(
        self, *, size: int, after: uuid.UUID | None, status: PartnerStatus | None
    ) -> list[Partner]:
        """At most `size` partners older than `after`, newest first."""
        async with self._sessions() as session:
            return await PartnerRepository(session).page(size=size, after=after, status=status)

    async def change_status(
        self, actor: Actor, partner_id: uuid.UUID, action: PartnerAction, reason: str | None
    ) -> Partner:
        """Takes an action and notes it; raises PartnerNotFound, StatusConflict.

        An action that was taken before changes nothing, not even the reason, and is not noted again.
        """
        said = fields.optional_line("reason", reason)
        async with self._sessions.begin() as session:
            partner = await PartnerRepository(session).lock(partner_id)
            if partner is None:
                raise PartnerNotFound(partner_id)
            try:
                status = next_status(PartnerStatus(partner.status), action)
            except RefusedTransition as error:
                raise StatusConflict(str(error), partner.status) from error
            if status == partner.status:
                return partner
            partner.status = status.value
            partner.status_reason = said
            before, after = changed_values(partner)
            partner.updated_at = datetime.now(UTC)
            AuditRepository(session).add(
                actor, f"partner.{action}", _subject(partner), before=before, after=after
            )
        return partner

    async def mint_token(self, actor: Actor, partner_id: uuid.UUID, ttl: timedelta) -> MintedToken:
        """A bearer token with the partner's role; raises MintingDisabled, PartnerNotFound.

        That it was minted is noted; the token itself is kept nowhere.
        """
        if self._minter is None:
            raise MintingDisabled
        partner = await self.read(actor, partner_id)
        minted = self._minter.mint(f"partner:{partner_id}", Role.PARTNER, ttl=ttl, partner_id=str(partner_id))
        async with self._sessions.begin() as session:
            AuditRepository(session).add(
                actor,
                "partner.mint_token",
                _subject(partner),
                before=None,
                after={"expires_at": minted.expires_at.isoformat()},
            )
        return minted


def _subject(partner: Partner) -> str:
    return f"partner/{partner.partner_id}"
