"""Partners: approval, standing, visibility, tokens, audit."""

import asyncio
import uuid

import pytest
from sqlalchemy import select

from millrace.affiliate.v1 import affiliate_service_pb2 as rpc
from millrace.affiliate.v1.affiliate_service_pb2 import ListPartnersResponse, MintPartnerTokenResponse
from millrace.affiliate.v1.commission_pb2 import Commission
from millrace.affiliate.v1.partner_pb2 import Partner
from server.affiliate.service.partners import PartnerService
from server.audit import AuditEntry
from server.auth.principal import Role
from server.auth.tokens import TokenVerifier
from server.errors import AlreadyExists, DomainError, FailedPrecondition, InvalidArgument, NotFound
from tests.contract.affiliate.callers import ADMIN, SIGNING_KEYS, Affiliate, partner_principal


async def test_new_partner_is_pending_and_keeps_its_terms(affiliate: Affiliate) -> None:
    """What was given comes back, and approval is a step of its own."""
    terms = Commission(type=Commission.PERCENTAGE, rate="10.00")
    request = rpc.CreatePartnerRequest(name=" Anna ", email="Anna@Partner.example", commission=terms)
    created = await affiliate.call(ADMIN, request)
    assert isinstance(created, Partner)
    assert created.status == Partner.PENDING
    assert (created.name, created.email) == ("Anna", "Anna@Partner.example")
    assert created.commission.rate == "10"
    assert uuid.UUID(created.partner_id).version == 7
    assert await affiliate.call(ADMIN, rpc.GetPartnerRequest(partner_id=created.partner_id)) == created


async def test_address_is_unique_without_regard_to_case_also_in_parallel(affiliate: Affiliate) -> None:
    """Of twenty at once, one becomes a partner and nineteen are told why not."""
    requests = [
        rpc.CreatePartnerRequest(name="A", email=f"{'aNNa'[: n % 4]}{'anna'[n % 4 :]}@x.example")
        for n in range(20)
    ]
    outcomes = await asyncio.gather(
        *(affiliate.call(ADMIN, request) for request in requests), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, AlreadyExists)]
    assert len(refused) == 19
    assert {error.reason for error in refused} == {"EMAIL_TAKEN"}
    assert refused[0].fields[0].field == "email"


BAD_PARTNERS: list[tuple[dict[str, object], str]] = [
    ({"name": "", "email": "a@x.example"}, "name"),
    ({"name": "   ", "email": "a@x.example"}, "name"),
    ({"name": "A\x00B", "email": "a@x.example"}, "name"),
    ({"name": "A\nB", "email": "a@x.example"}, "name"),
    ({"name": "A" * 201, "email": "a@x.example"}, "name"),
    ({"name": "A", "email": "nobody"}, "email"),
    ({"name": "A", "email": ""}, "email"),
    ({"name": "A", "email": "a@x.example", "customer_id": "\x00"}, "customer_id"),
    (
        {
            "name": "A",
            "email": "a@x.example",
            "commission": Commission(type=Commission.PERCENTAGE, rate="101"),
        },
        "commission.rate",
    ),
    (
        {
            "name": "A",
            "email": "a@x.example",
            "commission": Commission(type=Commission.FIXED, amount=5, currency="XXX"),
        },
        "commission.currency",
    ),
]


async def test_bad_input_names_the_field(affiliate: Affiliate) -> None:
    """Every refusal says which field to correct."""
    for fields, named in BAD_PARTNERS:
        with pytest.raises(InvalidArgument) as refused:
            await affiliate.call(ADMIN, rpc.CreatePartnerRequest(**fields))  # type: ignore[arg-type]  # cases
        assert refused.value.fields[0].field == named, fields


async def test_life_of_a_partner_is_audited_once_per_change(affiliate: Affiliate) -> None:
    """Approve, approve again, suspend, reinstate: three changes of status, and who made them why."""
    partner = await affiliate.partner(approve=False)
    who = {"partner_id": partner.partner_id}
    await affiliate.call(ADMIN, rpc.ApprovePartnerRequest(**who))
    again = await affiliate.call(ADMIN, rpc.ApprovePartnerRequest(**who, reason="not said before"))
    assert isinstance(again, Partner)
    assert (again.status, again.status_reason) == (Partner.ACTIVE, "")
    suspended = await affiliate.call(ADMIN, rpc.SuspendPartnerRequest(**who, reason="odd clicks"))
    assert isinstance(suspended, Partner)
    assert (suspended.status, suspended.status_reason) == (Partner.SUSPENDED, "odd clicks")
    await affiliate.call(ADMIN, rpc.ReinstatePartnerRequest(**who))
    async with affiliate.sessions() as session:
        entries = list(await session.scalars(select(AuditEntry).order_by(AuditEntry.entry_id)))
    assert [entry.action for entry in entries] == [
        "partner.create",
        "partner.approve",
        "partner.suspend",
        "partner.reinstate",
    ]
    assert {(entry.actor, entry.subject) for entry in entries} == {
        ("admin@test", f"partner/{partner.partner_id}")
    }
    assert entries[2].before == {"status": "ACTIVE", "status_reason": None}
    assert entries[2].after == {"status": "SUSPENDED", "status_reason": "odd clicks"}


async def test_impossible_step_is_refused_and_leaves_no_trace(affiliate: Affiliate) -> None:
    """A PENDING partner cannot be suspended; the refusal is not audited."""
    partner = await affiliate.partner(approve=False)
    with pytest.raises(FailedPrecondition) as refused:
        await affiliate.call(ADMIN, rpc.SuspendPartnerRequest(partner_id=partner.partner_id))
    assert refused.value.reason == "STATUS_CONFLICT"
    async with affiliate.sessions() as session:
        assert len(list(await session.scalars(select(AuditEntry)))) == 1


async def test_approve_and_reject_at_once_leave_one_winner(affiliate: Affiliate) -> None:
    """Two operators who disagree cannot both be right."""
    partner = await affiliate.partner(approve=False)
    outcomes = await asyncio.gather(
        affiliate.call(ADMIN, rpc.ApprovePartnerRequest(partner_id=partner.partner_id)),
        affiliate.call(ADMIN, rpc.RejectPartnerRequest(partner_id=partner.partner_id)),
        return_exceptions=True,
    )
    assert sorted(isinstance(outcome, DomainError) for outcome in outcomes) == [False, True]


async def test_partner_sees_itself_and_nobody_else(affiliate: Affiliate) -> None:
    """Another partner's profile does not exist for a partner."""
    anna, ben = await affiliate.partner(), await affiliate.partner()
    caller = partner_principal(anna.partner_id)
    assert await affiliate.call(caller, rpc.GetPartnerRequest(partner_id=anna.partner_id)) == anna
    for unseen in (ben.partner_id, str(uuid.uuid4())):
        with pytest.raises(NotFound) as refused:
            await affiliate.call(caller, rpc.GetPartnerRequest(partner_id=unseen))
        assert refused.value.reason == "PARTNER_NOT_FOUND"


async def test_list_pages_through_every_partner_once_newest_first(affiliate: Affiliate) -> None:
    """Pages join without gap or overlap, and a status filter holds."""
    made = [(await affiliate.partner(approve=number % 2 == 0)).partner_id for number in range(7)]
    seen: list[str] = []
    token = ""
    while True:
        page = await affiliate.call(ADMIN, rpc.ListPartnersRequest(page_size=3, page_token=token))
        assert isinstance(page, ListPartnersResponse)
        seen += [partner.partner_id for partner in page.partners]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]
    active = await affiliate.call(ADMIN, rpc.ListPartnersRequest(status=Partner.ACTIVE))
    assert isinstance(active, ListPartnersResponse)
    assert [partner.partner_id for partner in active.partners] == made[::2][::-1]


async def test_minted_token_proves_the_partner(affiliate: Affiliate) -> None:
    """The token carries role and partner id, lasts as long as asked, and is noted."""
    partner = await affiliate.partner()
    request = rpc.MintPartnerTokenRequest(partner_id=partner.partner_id, ttl_seconds=60)
    minted = await affiliate.call(ADMIN, request)
    assert isinstance(minted, MintPartnerTokenResponse)
    verifier = TokenVerifier(SIGNING_KEYS, issuer="millrace", audience="millrace")
    principal = verifier.verify(minted.token)
    assert (principal.role, principal.partner_id) == (Role.PARTNER, partner.partner_id)
    async with affiliate.sessions() as session:
        entries = list(await session.scalars(select(AuditEntry)))
    assert entries[-1].action == "partner.mint_token"
    assert minted.token not in str([entry.after for entry in entries])


async def test_token_for_nobody_is_not_minted(affiliate: Affiliate) -> None:
    """An unknown partner gets no token."""
    with pytest.raises(NotFound):
        await affiliate.call(ADMIN, rpc.MintPartnerTokenRequest(partner_id=str(uuid.uuid4())))


async def test_installation_without_a_minter_mints_nothing(affiliate: Affiliate) -> None:
    """Production says plainly that it does not."""
    partner = await affiliate.partner()
    affiliate.servicer._partners = PartnerService(affiliate.sessions, minter=None)
    with pytest.raises(FailedPrecondition) as refused:
        await affiliate.call(ADMIN, rpc.MintPartnerTokenRequest(partner_id=partner.partner_id))
    assert refused.value.reason == "MINTING_DISABLED"
