"""Creating links: who may, where they lead, codes, repeats, and many at once."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import func, select

from millrace.affiliate.v1 import affiliate_service_pb2 as rpc
from millrace.affiliate.v1.commission_pb2 import Commission
from millrace.affiliate.v1.link_pb2 import Link
from server.affiliate import models
from server.affiliate.codes import ALPHABET
from server.affiliate.service import link_creation
from server.audit import AuditEntry
from server.auth.principal import Principal
from server.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from tests.contract.affiliate.callers import ADMIN, Affiliate, partner_principal
from tests.unit.affiliate.test_codes import HOSTILE_CODES
from tests.unit.affiliate.test_destinations import HOSTILE_DESTINATIONS


def stamp(delta: timedelta) -> Timestamp:
    at = Timestamp()
    at.FromDatetime(datetime.now(UTC) + delta)
    return at


async def count_links(affiliate: Affiliate) -> int:
    async with affiliate.sessions() as session:
        return await session.scalar(select(func.count()).select_from(models.Link)) or 0


async def test_link_has_all_that_was_asked_for(affiliate: Affiliate, anna: Principal) -> None:
    """Every field comes back, the destination in its one spelling."""
    expires_at = stamp(timedelta(days=1))
    link = await affiliate.link(
        anna,
        destination_url="HTTPS://Shop.Example:443/a?b=c#d",
        expires_at=expires_at,
        campaign="spring",
        forward_query=True,
        click_id_parameter="cid",
        fallback_url="https://shop.example/gone",
    )
    assert link.destination_url == "https://shop.example/a?b=c#d"
    assert link.partner_id == anna.partner_id
    assert uuid.UUID(link.link_id).version == 7
    assert len(link.short_code) == 6
    assert set(link.short_code) <= set(ALPHABET)
    assert link.short_url == f"https://go.example/l/{link.short_code}"
    assert len(bytes.fromhex(link.tracking_code)) == 32
    assert link.status == Link.ACTIVE
    assert (link.campaign, link.forward_query, link.click_id_parameter) == ("spring", True, "cid")
    assert link.fallback_url == "https://shop.example/gone"
    assert abs(link.expires_at.ToMicroseconds() - expires_at.ToMicroseconds()) <= 1
    assert not link.HasField("commission")
    assert await affiliate.call(anna, rpc.GetLinkRequest(link_id=link.link_id)) == link


async def test_new_link_is_published_at_once(affiliate: Affiliate, anna: Principal) -> None:
    """The first shopper finds the snapshot in Redis, with the program's defaults folded in."""
    link = await affiliate.link(anna)
    snapshot = await affiliate.snapshot(link.short_code)
    assert snapshot is not None
    assert snapshot.destination == "https://shop.example/"
    assert str(uuid.UUID(bytes=snapshot.link_id)) == link.link_id
    assert snapshot.attribution_window_s == 30 * 86_400


async def test_product_gives_the_destination(affiliate: Affiliate, anna: Principal) -> None:
    """The program's template is filled with the product's slug."""
    link = await affiliate.link(anna, product_id="p-1", destination_url="")
    assert link.destination_url == "https://shop.example/p/red-shoe"
    assert link.product_id == "p-1"


async def test_destination_of_its_own_beats_the_template(affiliate: Affiliate, anna: Principal) -> None:
    """A product may be promoted by a page made for it."""
    link = await affiliate.link(anna, product_id="p-1", destination_url="https://shop.example/sale")
    assert (link.product_id, link.destination_url) == ("p-1", "https://shop.example/sale")


BAD_LINKS: list[tuple[dict[str, object], str, str]] = [
    ({"destination_url": ""}, "destination_url", "INVALID_FIELD"),
    ({"product_id": "nope"}, "product_id", "PRODUCT_NOT_FOUND"),
    ({"product_id": "nope", "destination_url": ""}, "product_id", "PRODUCT_NOT_FOUND"),
    ({"product_id": "p\x00"}, "product_id", "INVALID_FIELD"),
    ({"campaign": "a\x00b"}, "campaign", "INVALID_FIELD"),
    ({"request_id": "a\x00b"}, "request_id", "INVALID_FIELD"),
    ({"fallback_url": "https://evil.example/"}, "fallback_url", "DESTINATION_NOT_ALLOWED"),
    ({"click_id_parameter": "a&b"}, "click_id_parameter", "INVALID_FIELD"),
    ({"click_id_parameter": "1a"}, "click_id_parameter", "INVALID_FIELD"),
    ({"expires_at": stamp(timedelta(seconds=-1))}, "expires_at", "INVALID_FIELD"),
    ({"expires_at": Timestamp(seconds=10**15)}, "expires_at", "INVALID_FIELD"),
    ({"expires_at": Timestamp(seconds=253402300799)}, "expires_at", "INVALID_FIELD"),
    ({"custom_code": "Admin"}, "custom_code", "CODE_RESERVED"),
    ({"custom_code": "a_b_c"}, "custom_code", "INVALID_FIELD"),
]


async def test_bad_field_is_named(affiliate: Affiliate, anna: Principal) -> None:
    """Nothing is stored, and the answer says what to correct."""
    for fields, named, reason in BAD_LINKS:
        with pytest.raises(InvalidArgument) as refused:
            await affiliate.link(anna, **fields)
        assert (refused.value.fields[0].field, refused.value.reason) == (named, reason), fields
    assert await count_links(affiliate) == 0


async def test_no_hostile_destination_becomes_a_link(affiliate: Affiliate, anna: Principal) -> None:
    """The whole table of the rule's own test, through the door."""
    request = rpc.UpdateProgramRequest()
    request.program.allowed_destination_hosts.extend(
        ["shop.example", "m.shop.example:8443", "bücher.example", "127.0.0.1:3000", "go.example"]
    )
    await affiliate.call(ADMIN, request)
    for url in HOSTILE_DESTINATIONS:
        if not url.isascii() and "\ud800" in url:
            continue  # protobuf itself refuses lone surrogates
        with pytest.raises(InvalidArgument) as refused:
            await affiliate.link(anna, destination_url=url)
        assert refused.value.fields[0].field == "destination_url", url
    assert await count_links(affiliate) == 0


async def test_no_hostile_code_becomes_a_link(affiliate: Affiliate, anna: Principal) -> None:
    """The whole table of the rule's own test, through the door; an empty one asks for a drawn code."""
    for code in filter(None, HOSTILE_CODES):
        with pytest.raises(InvalidArgument) as refused:
            await affiliate.link(anna, custom_code=code)
        assert refused.value.fields[0].field == "custom_code", code
    assert await count_links(affiliate) == 0


async def test_only_active_partners_create_links(affiliate: Affiliate) -> None:
    """PENDING and SUSPENDED partners are told their status; unknown ones do not exist."""
    partner = await affiliate.partner(approve=False)
    caller = partner_principal(partner.partner_id)
    with pytest.raises(FailedPrecondition) as refused:
        await affiliate.link(caller)
    assert (refused.value.reason, refused.value.metadata["status"]) == ("PARTNER_NOT_ACTIVE", "PENDING")
    await affiliate.call(ADMIN, rpc.ApprovePartnerRequest(partner_id=partner.partner_id))
    await affiliate.link(caller)
    await affiliate.call(ADMIN, rpc.SuspendPartnerRequest(partner_id=partner.partner_id))
    with pytest.raises(FailedPrecondition):
        await affiliate.link(caller)
    with pytest.raises(NotFound):
        await affiliate.link(partner_principal(str(uuid.uuid4())))


async def test_admin_names_the_partner(affiliate: Affiliate, anna: Principal) -> None:
    """An admin creates for somebody, a partner only for itself; the admin's act is audited."""
    link = await affiliate.link(ADMIN, partner_id=anna.partner_id)
    assert link.partner_id == anna.partner_id
    with pytest.raises(InvalidArgument) as refused:
        await affiliate.link(ADMIN)
    assert refused.value.fields[0].field == "partner_id"
    ben = await affiliate.partner()
    with pytest.raises(NotFound):
        await affiliate.link(anna, partner_id=ben.partner_id)
    async with affiliate.sessions() as session:
        subjects = select(AuditEntry.subject).where(AuditEntry.action == "link.create")
        assert list(await session.scalars(subjects)) == [f"link/{link.link_id}"]


async def test_commission_is_for_admins_to_set(affiliate: Affiliate, anna: Principal) -> None:
    """A partner who sets one is refused, not ignored."""
    terms = Commission(type=Commission.FIXED, amount=500, currency="JPY")
    with pytest.raises(PermissionDenied) as refused:
        await affiliate.link(anna, commission=terms)
    assert refused.value.reason == "COMMISSION_NOT_ALLOWED"
    link = await affiliate.link(ADMIN, commission=terms, partner_id=anna.partner_id)
    assert link.commission == terms


async def test_custom_code_is_taken_once_also_in_parallel(affiliate: Affiliate, anna: Principal) -> None:
    """Twenty who want one code: one link, nineteen refusals, no other error."""
    outcomes = await asyncio.gather(
        *(affiliate.link(anna, custom_code=code) for code in ["Summer", "summer", " SUMMER "] * 7),
        return_exceptions=True,
    )
    links = [outcome for outcome in outcomes if isinstance(outcome, Link)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, AlreadyExists)]
    assert [link.short_code for link in links] == ["summer"]
    assert len(refused) == 20
    assert {(error.reason, error.fields[0].field) for error in refused} == {("CODE_TAKEN", "custom_code")}


async def test_repeated_request_returns_the_first_link(affiliate: Affiliate, anna: Principal) -> None:
    """Thirty at once leave one link, and all are told of it; another content is refused."""
    wanted: dict[str, object] = {"request_id": "r-1", "campaign": "a", "custom_code": "once"}
    links = await asyncio.gather(*(affiliate.link(anna, **wanted) for _ in range(30)))
    assert len({link.link_id for link in links}) == 1
    assert await count_links(affiliate) == 1
    with pytest.raises(Aborted) as refused:
        await affiliate.link(anna, **{**wanted, "campaign": "b"})
    assert refused.value.reason == "PAYLOAD_MISMATCH"


async def test_repeated_request_without_a_code_of_its_own(affiliate: Affiliate, anna: Principal) -> None:
    """Drawn codes differ, the link is one all the same."""
    links = await asyncio.gather(*(affiliate.link(anna, request_id="r-2") for _ in range(30)))
    assert len({link.short_code for link in links}) == 1
    assert await count_links(affiliate) == 1


async def test_same_request_id_with_different_content_at_once(affiliate: Affiliate, anna: Principal) -> None:
    """One content wins; everybody who asked for the other is refused."""
    outcomes = await asyncio.gather(
        *(affiliate.link(anna, request_id="r", campaign=f"c{number % 2}") for number in range(20)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Link) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, Aborted) for outcome in outcomes) == 10
    assert await count_links(affiliate) == 1


async def test_request_ids_of_two_partners_do_not_meet(affiliate: Affiliate, anna: Principal) -> None:
    """A request id is the partner's own."""
    ben = partner_principal((await affiliate.partner()).partner_id)
    first, second = await affiliate.link(anna, request_id="r"), await affiliate.link(ben, request_id="r")
    assert first.link_id != second.link_id


async def test_repeat_is_answered_when_the_product_is_gone(affiliate: Affiliate, anna: Principal) -> None:
    """What was promised once is promised again, whatever changed meanwhile."""
    first = await affiliate.link(anna, product_id="p-1", request_id="r")
    affiliate.slugs.clear()
    assert await affiliate.link(anna, product_id="p-1", request_id="r") == first


async def test_code_grows_when_the_short_ones_are_taken(
    affiliate: Affiliate, anna: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five draws of six characters, and then one of seven."""
    drawn: list[int] = []

    def draw(length: int) -> str:
        drawn.append(length)
        return "x" * length

    monkeypatch.setattr(link_creation, "draw_code", draw)
    codes = [(await affiliate.link(anna)).short_code for _ in range(2)]
    assert codes == ["x" * 6, "x" * 7]
    assert drawn == [6] + [6] * 5 + [7]


async def test_no_free_code_is_a_conflict(
    affiliate: Affiliate, anna: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten tries and no more; the caller may repeat."""
    monkeypatch.setattr(link_creation, "draw_code", lambda _length: "taken")
    await affiliate.link(anna)
    with pytest.raises(Aborted) as refused:
        await affiliate.link(anna)
    assert refused.value.reason == "CODES_EXHAUSTED"


async def test_many_links_at_once_have_distinct_codes(affiliate: Affiliate, anna: Principal) -> None:
    """Two thousand by one partner, fifty at a time: no error, no code twice."""
    gate = asyncio.Semaphore(50)

    async def one() -> Link:
        async with gate:
            return await affiliate.link(anna)

    outcomes = await asyncio.gather(*(one() for _ in range(2000)), return_exceptions=True)
    assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    links = [outcome for outcome in outcomes if isinstance(outcome, Link)]
    assert len({link.short_code for link in links}) == 2000
    assert len({link.tracking_code for link in links}) == 2000
    assert await count_links(affiliate) == 2000


async def test_redis_away_does_not_fail_the_caller(affiliate: Affiliate, anna: Principal) -> None:
    """The link is made and can be resolved; only its publication is missing."""
    await affiliate.redis.close()
    link = await affiliate.link(anna)
    assert await affiliate.call(anna, rpc.GetLinkRequest(link_id=link.link_id)) == link
