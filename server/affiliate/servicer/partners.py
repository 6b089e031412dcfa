"""RPCs of partners."""

import uuid
from datetime import timedelta
from typing import Any, Protocol

from millrace.affiliate.v1 import affiliate_service_pb2 as rpc
from millrace.affiliate.v1.partner_pb2 import Partner as PartnerMessage
from server.affiliate.models import Partner
from server.affiliate.partner_status import PartnerAction, PartnerStatus
from server.affiliate.service.partners import NewPartner, PartnerService
from server.affiliate.servicer.values import commission_message, instant, read_commission, read_id
from server.auth.actor import current_actor
from server.rpc.pages import PageTokens

_DEFAULT_TOKEN_SECONDS = 86_400


class _StatusRequest(Protocol):
    """What the four requests that change a partner's status have in common."""

    partner_id: str
    reason: str


class PartnerRpcs:
    """Every RPC whose resource is a partner."""

    def __init__(self, partners: PartnerService, page_tokens: PageTokens) -> None:
        self._partners = partners
        self._partner_pages = page_tokens

    async def CreatePartner(self, request: rpc.CreatePartnerRequest, context: Any) -> PartnerMessage:  # noqa: N802
        asked = NewPartner(
            name=request.name,
            email=request.email,
            customer_id=request.customer_id or None,
            commission=read_commission(request, "commission"),
        )
        return partner_message(await self._partners.create(current_actor(), asked))

    async def GetPartner(self, request: rpc.GetPartnerRequest, context: Any) -> PartnerMessage:  # noqa: N802
        return partner_message(await self._partners.read(current_actor(), read_id(request.partner_id)))

    async def ListPartners(self, request: rpc.ListPartnersRequest, context: Any) -> rpc.ListPartnersResponse:  # noqa: N802
        caller = current_actor().principal.identity
        page = self._partner_pages.open(request, caller=caller)
        after = uuid.UUID(str(page.after[0])) if page.after else None
        status = PartnerStatus(PartnerMessage.Status.Name(request.status)) if request.status else None
        # One more than asked for tells whether there is a next page.
        found = await self._partners.page(size=page.size + 1, after=after, status=status)
        shown = found[: page.size]
        answer = rpc.ListPartnersResponse(partners=map(partner_message, shown))
        if len(found) > page.size:
            position = (str(shown[-1].partner_id),)
            answer.next_page_token = self._partner_pages.seal(request, caller=caller, after=position)
        return answer

    async def ApprovePartner(self, request: rpc.ApprovePartnerRequest, context: Any) -> PartnerMessage:  # noqa: N802
        return await self._change_status(request, PartnerAction.APPROVE)

    async def RejectPartner(self, request: rpc.RejectPartnerRequest, context: Any) -> PartnerMessage:  # noqa: N802
        return await self._change_status(request, PartnerAction.REJECT)

    async def SuspendPartner(self, request: rpc.SuspendPartnerRequest, context: Any) -> PartnerMessage:  # noqa: N802
        return await self._change_status(request, PartnerAction.SUSPEND)

    async def ReinstatePartner(self, request: rpc.ReinstatePartnerRequest, context: Any) -> PartnerMessage:  # noqa: N802
        return await self._change_status(request, PartnerAction.REINSTATE)

    async def MintPartnerToken(  # noqa: N802
        self, request: rpc.MintPartnerTokenRequest, context: Any
    ) -> rpc.MintPartnerTokenResponse:
        ttl = timedelta(seconds=request.ttl_seconds or _DEFAULT_TOKEN_SECONDS)
        minted = await self._partners.mint_token(current_actor(), read_id(request.partner_id), ttl)
        return rpc.MintPartnerTokenResponse(token=minted.token, expires_at=instant(minted.expires_at))

    async def _change_status(self, request: _StatusRequest, action: PartnerAction) -> PartnerMessage:
        partner_id = read_id(request.partner_id)
        changed = await self._partners.change_status(
            current_actor(), partner_id, action, request.reason or None
        )
        return partner_message(changed)


def partner_message(partner: Partner) -> PartnerMessage:
    """The partner as the contract shows it."""
    return PartnerMessage(
        partner_id=str(partner.partner_id),
        name=partner.name,
        email=partner.email,
        customer_id=partner.customer_id,
        status=PartnerMessage.Status.Value(partner.status),
        status_reason=partner.status_reason,
        commission=commission_message(partner.commission),
        created_at=instant(partner.created_at),
        updated_at=instant(partner.updated_at),
    )
