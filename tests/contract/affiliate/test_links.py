"""Existing links: visibility, pages, changes, switching off, resolving, statistics."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import insert, select, text

from millrace.affiliate.v1 import affiliate_service_pb2 as rpc
from millrace.affiliate.v1.affiliate_service_pb2 import ListLinksResponse
from millrace.affiliate.v1.commission_pb2 import Commission
from millrace.affiliate.v1.link_pb2 import Link, LinkStats, ResolvedLink
from millrace.affiliate.v1.program_pb2 import Program
from millrace.streams.links import LinkStatus
from server.affiliate.clicks import link_click_rollups
from server.audit import AuditEntry
from server.auth.principal import Principal, Role
from server.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from tests.contract.affiliate.callers import ADMIN, EDGE, Affiliate, partner_principal


@pytest.fixture
async def ben(affiliate: Affiliate) -> Principal:
    return partner_principal((await affiliate.partner()).partner_id)


async def update(affiliate: Affiliate, caller: Principal, link: Link, *mask: str) -> Link:
    request = rpc.UpdateLinkRequest(link=link, update_mask=FieldMask(paths=mask))
    updated = await affiliate.call(caller, request)
    assert isinstance(updated, Link)
    return updated


async def resolve(affiliate: Affiliate, code: str) -> ResolvedLink:
    resolved = await affiliate.call(EDGE, rpc.ResolveLinkRequest(short_code=code))
    assert isinstance(resolved, ResolvedLink)
    return resolved


async def test_another_partners_link_does_not_exist(
    affiliate: Affiliate, anna: Principal, ben: Principal
) -> None:
    """Reading, changing, switching and counting all answer as for a link that never was."""
    link = await affiliate.link(anna)
    for link_id in (link.link_id, str(uuid.uuid4())):
        requests: list[Message] = [
            rpc.GetLinkRequest(link_id=link_id),
            rpc.UpdateLinkRequest(link=Link(link_id=link_id, campaign="mine")),
            rpc.DisableLinkRequest(link_id=link_id),
            rpc.EnableLinkRequest(link_id=link_id),
            rpc.GetLinkStatsRequest(link_id=link_id),
        ]
        for request in requests:
            with pytest.raises(NotFound) as refused:
                await affiliate.call(ben, request)
            assert refused.value.reason == "LINK_NOT_FOUND"
    assert await affiliate.call(ADMIN, rpc.GetLinkRequest(link_id=link.link_id)) == link


async def test_list_pages_through_own_links_newest_first(
    affiliate: Affiliate, anna: Principal, ben: Principal
) -> None:
    """Pages join without gap or overlap; links made meanwhile do not disturb them."""
    made = [(await affiliate.link(anna)).link_id for _ in range(5)]
    await affiliate.link(ben)
    seen: list[str] = []
    token = ""
    while True:
        page = await affiliate.call(anna, rpc.ListLinksRequest(page_size=2, page_token=token))
        assert isinstance(page, ListLinksResponse)
        seen += [link.link_id for link in page.links]
        await affiliate.link(anna)
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]


async def test_list_filters(affiliate: Affiliate, anna: Principal, ben: Principal) -> None:
    """By status, product, label and partner; a partner cannot ask for another one's."""
    shoe = await affiliate.link(anna, product_id="p-1", campaign="spring")
    other = await affiliate.link(anna, campaign="spring")
    await affiliate.call(anna, rpc.DisableLinkRequest(link_id=other.link_id))
    bens = await affiliate.link(ben)

    async def listed(caller: Principal, **wanted: object) -> set[str]:
        page = await affiliate.call(caller, rpc.ListLinksRequest(**wanted))  # type: ignore[arg-type]  # cases
        assert isinstance(page, ListLinksResponse)
        return {link.link_id for link in page.links}

    assert await listed(anna, product_id="p-1") == {shoe.link_id}
    assert await listed(anna, status=Link.DISABLED) == {other.link_id}
    assert await listed(anna, campaign="spring") == {shoe.link_id, other.link_id}
    assert await listed(ADMIN) == {shoe.link_id, other.link_id, bens.link_id}
    assert await listed(ADMIN, partner_id=ben.partner_id) == {bens.link_id}
    with pytest.raises(NotFound):
        await listed(anna, partner_id=ben.partner_id)
    with pytest.raises(InvalidArgument):
        await listed(anna, campaign="\x00")


async def test_page_token_of_another_caller_is_refused(
    affiliate: Affiliate, anna: Principal, ben: Principal
) -> None:
    """Tokens are bound to who asked and for what."""
    for _ in range(2):
        await affiliate.link(anna)
    page = await affiliate.call(anna, rpc.ListLinksRequest(page_size=1))
    assert isinstance(page, ListLinksResponse)
    for caller, request in [
        (ben, rpc.ListLinksRequest(page_size=1, page_token=page.next_page_token)),
        (anna, rpc.ListLinksRequest(page_size=1, page_token=page.next_page_token, campaign="x")),
        (anna, rpc.ListLinksRequest(page_size=1, page_token="nonsense")),
    ]:
        with pytest.raises(InvalidArgument):
            await affiliate.call(caller, request)


async def test_update_changes_what_the_mask_names_and_publishes(
    affiliate: Affiliate, anna: Principal
) -> None:
    """The snapshot is newer and leads to the new place."""
    link = await affiliate.link(anna, campaign="old")
    before = await affiliate.snapshot(link.short_code)
    changed = Link(link_id=link.link_id, destination_url="https://shop.example/new", campaign="ignored")
    updated = await update(affiliate, anna, changed, "destination_url", "forward_query")
    assert (updated.destination_url, updated.campaign) == ("https://shop.example/new", "old")
    after = await affiliate.snapshot(link.short_code)
    assert before is not None
    assert after is not None
    assert after.destination == "https://shop.example/new"
    assert after.version == before.version + 1


async def test_update_without_effect_keeps_the_version(affiliate: Affiliate, anna: Principal) -> None:
    """A repeated call is no change."""
    link = await affiliate.link(anna, campaign="a")
    again = await update(affiliate, anna, Link(link_id=link.link_id, campaign="a"))
    assert again == link


async def test_cleared_destination_leads_to_the_product_again(affiliate: Affiliate, anna: Principal) -> None:
    """A link without a product needs a destination."""
    shoe = await affiliate.link(anna, product_id="p-1", destination_url="https://shop.example/sale")
    cleared = await update(affiliate, anna, Link(link_id=shoe.link_id), "destination_url")
    assert cleared.destination_url == "https://shop.example/p/red-shoe"
    page = await affiliate.link(anna)
    with pytest.raises(InvalidArgument) as refused:
        await update(affiliate, anna, Link(link_id=page.link_id), "destination_url")
    assert refused.value.fields[0].field == "destination_url"


async def test_bad_update_changes_nothing(affiliate: Affiliate, anna: Principal) -> None:
    """All or none: a good field beside a bad one is not kept."""
    link = await affiliate.link(anna)
    bad = Link(link_id=link.link_id, campaign="kept?", destination_url="https://evil.example/")
    with pytest.raises(InvalidArgument) as refused:
        await update(affiliate, anna, bad)
    assert refused.value.fields[0].field == "destination_url"
    past = Timestamp(seconds=1)
    with pytest.raises(InvalidArgument) as refused:
        await update(affiliate, anna, Link(link_id=link.link_id, campaign="kept?", expires_at=past))
    assert refused.value.fields[0].field == "expires_at"
    assert await affiliate.call(anna, rpc.GetLinkRequest(link_id=link.link_id)) == link


async def test_commission_is_changed_by_admins_and_audited(affiliate: Affiliate, anna: Principal) -> None:
    """The audit holds the terms before and after."""
    link = await affiliate.link(anna)
    terms = Commission(type=Commission.PERCENTAGE, rate="12.5")
    with pytest.raises(PermissionDenied):
        await update(affiliate, anna, Link(link_id=link.link_id, commission=terms))
    updated = await update(affiliate, ADMIN, Link(link_id=link.link_id, commission=terms))
    assert updated.commission == terms
    async with affiliate.sessions() as session:
        query = select(AuditEntry).where(AuditEntry.action == "link.update")
        (entry,) = await session.scalars(query)
    assert (entry.before, entry.after) == ({"commission_rate": None}, {"commission_rate": "12.5"})


async def test_disable_and_enable_are_repeatable_and_published(affiliate: Affiliate, anna: Principal) -> None:
    """Twice off is off, once on is on."""
    link = await affiliate.link(anna)
    for _ in range(2):
        disabled = await affiliate.call(anna, rpc.DisableLinkRequest(link_id=link.link_id))
        assert isinstance(disabled, Link)
        assert disabled.status == Link.DISABLED
        snapshot = await affiliate.snapshot(link.short_code)
        assert snapshot is not None
        assert snapshot.status is LinkStatus.DISABLED
    enabled = await affiliate.call(anna, rpc.EnableLinkRequest(link_id=link.link_id))
    assert isinstance(enabled, Link)
    assert enabled.status == Link.ACTIVE
    snapshot = await affiliate.snapshot(link.short_code)
    assert snapshot is not None
    assert snapshot.status is LinkStatus.ACTIVE


async def test_switching_at_once_ends_with_the_newest_version_published(
    affiliate: Affiliate, anna: Principal
) -> None:
    """However publications overtake each other, Redis holds what PostgreSQL holds."""
    link = await affiliate.link(anna)
    requests: list[Message] = [
        (rpc.DisableLinkRequest if number % 2 else rpc.EnableLinkRequest)(link_id=link.link_id)
        for number in range(40)
    ]
    await asyncio.gather(*(affiliate.call(anna, request) for request in requests))
    stored = await affiliate.call(anna, rpc.GetLinkRequest(link_id=link.link_id))
    snapshot = await affiliate.snapshot(link.short_code)
    assert isinstance(stored, Link)
    assert snapshot is not None
    assert snapshot.status.name == Link.Status.Name(stored.status)


async def test_suspended_partner_may_look_and_switch_off_but_change_nothing(
    affiliate: Affiliate, anna: Principal
) -> None:
    """Its links keep leading shoppers on."""
    link = await affiliate.link(anna)
    await affiliate.call(ADMIN, rpc.SuspendPartnerRequest(partner_id=anna.partner_id or ""))
    assert (await resolve(affiliate, link.short_code)).status == Link.ACTIVE
    with pytest.raises(FailedPrecondition):
        await update(affiliate, anna, Link(link_id=link.link_id, campaign="x"))
    await affiliate.call(anna, rpc.DisableLinkRequest(link_id=link.link_id))
    with pytest.raises(FailedPrecondition):
        await affiliate.call(anna, rpc.EnableLinkRequest(link_id=link.link_id))
    await affiliate.call(ADMIN, rpc.EnableLinkRequest(link_id=link.link_id))


async def test_resolve_finds_any_spelling_and_publishes(affiliate: Affiliate, anna: Principal) -> None:
    """Upper case and outer spaces lead to the same link; the snapshot is there afterwards."""
    link = await affiliate.link(anna, custom_code="summer")
    await affiliate.redis.execute("DEL", affiliate.keys.link("summer"))
    resolved = await resolve(affiliate, " SUMMER ")
    assert (resolved.short_code, resolved.link_id) == ("summer", link.link_id)
    assert resolved.destination_url == link.destination_url
    assert resolved.attribution_window_seconds == 30 * 86_400
    assert await affiliate.snapshot("summer") is not None


async def test_unknown_code_is_not_found(affiliate: Affiliate) -> None:
    """Whatever was typed, the answer is the same."""
    for code in ("nope", "\x00", "a\x00b", "\u212aiosk", "../x", "x" * 64):
        with pytest.raises(NotFound) as refused:
            await resolve(affiliate, code)
        assert refused.value.reason == "LINK_NOT_FOUND"


async def test_program_reaches_links_that_exist(affiliate: Affiliate, anna: Principal) -> None:
    """Fallback and window follow the program; a host taken off the list is served no longer."""
    link = await affiliate.link(anna)
    first = await resolve(affiliate, link.short_code)
    settings = Program(fallback_url="https://shop.example/gone", attribution_window_days=7)
    await affiliate.call(ADMIN, rpc.UpdateProgramRequest(program=settings))
    second = await resolve(affiliate, link.short_code)
    assert second.version > first.version
    assert second.fallback_url == "https://shop.example/gone"
    assert second.attribution_window_seconds == 7 * 86_400
    await affiliate.call(
        ADMIN, rpc.UpdateProgramRequest(program=Program(allowed_destination_hosts=["other.example"]))
    )
    third = await resolve(affiliate, link.short_code)
    assert third.status == Link.DISABLED
    assert not third.HasField("fallback_url")
    assert third.version > second.version


async def add_clicks(
    affiliate: Affiliate, link: Link, at: datetime, *, human: int, unique: int, bot: int
) -> None:
    async with affiliate.sessions.begin() as session:
        await session.execute(
            insert(link_click_rollups).values(
                link_id=uuid.UUID(link.link_id),
                bucket_start=at,
                human_clicks=human,
                unique_clicks=unique,
                bot_clicks=bot,
            )
        )


async def statistics(affiliate: Affiliate, caller: Principal, link: Link, **span: Timestamp) -> LinkStats:
    stats = await affiliate.call(caller, rpc.GetLinkStatsRequest(link_id=link.link_id, **span))
    assert isinstance(stats, LinkStats)
    return stats


async def test_clicks_are_counted_by_day_of_the_programs_zone(affiliate: Affiliate, anna: Principal) -> None:
    """An evening in UTC is the next day in Berlin."""
    link = await affiliate.link(anna)
    await add_clicks(affiliate, link, datetime(2026, 3, 28, 21, 45, tzinfo=UTC), human=5, unique=3, bot=1)
    await add_clicks(affiliate, link, datetime(2026, 3, 28, 23, 0, tzinfo=UTC), human=7, unique=4, bot=2)
    program = Program(time_zone="Europe/Berlin")
    await affiliate.call(ADMIN, rpc.UpdateProgramRequest(program=program))
    stats = await statistics(affiliate, anna, link)
    assert (stats.human_clicks, stats.unique_clicks, stats.bot_clicks) == (12, 7, 3)
    assert [(point.date, point.human_clicks) for point in stats.series] == [
        ("2026-03-28", 5),
        ("2026-03-29", 7),
    ]
    assert stats.time_zone == "Europe/Berlin"
    later = Timestamp()
    later.FromDatetime(datetime(2026, 3, 28, 22, 0, tzinfo=UTC))
    assert (await statistics(affiliate, anna, link, start=later)).human_clicks == 7
    assert (await statistics(affiliate, anna, link, end=later)).human_clicks == 5
    with pytest.raises(InvalidArgument) as refused:
        await statistics(affiliate, anna, link, start=later, end=later)
    assert refused.value.fields[0].field == "end"


async def test_link_without_clicks_has_zeros(affiliate: Affiliate, anna: Principal) -> None:
    """And is complete up to now."""
    stats = await statistics(affiliate, anna, await affiliate.link(anna))
    assert (stats.human_clicks, stats.unique_clicks, stats.bot_clicks) == (0, 0, 0)
    assert not stats.series
    assert datetime.now(UTC) - stats.as_of.ToDatetime(tzinfo=UTC) < timedelta(seconds=5)


async def test_counts_are_complete_up_to_the_oldest_click_not_yet_drained(
    affiliate: Affiliate, anna: Principal
) -> None:
    """A click that waits in the stream holds `as_of` back."""
    link = await affiliate.link(anna)
    waiting_since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    entry_id = f"{int(waiting_since.timestamp() * 1000)}-0"
    await affiliate.redis.execute("XADD", affiliate.keys.clicks(0), entry_id, "r", b"x")
    stats = await statistics(affiliate, anna, link)
    assert stats.as_of.ToDatetime(tzinfo=UTC) == waiting_since


async def test_a_change_that_waited_is_published_under_the_program_of_now(
    affiliate: Affiliate, anna: Principal
) -> None:
    """A link changed under an old program would share its version with the old link under the new one."""
    link = await affiliate.link(anna)
    async with affiliate.sessions() as session:
        await session.execute(text("SELECT 1 FROM links FOR UPDATE"))
        disabling = asyncio.create_task(affiliate.call(anna, rpc.DisableLinkRequest(link_id=link.link_id)))
        async with asyncio.timeout(10):
            while not await somebody_waits(affiliate):
                await asyncio.sleep(0.01)
        await affiliate.call(ADMIN, rpc.UpdateProgramRequest(program=Program(attribution_window_days=7)))
    await disabling
    snapshot = await affiliate.snapshot(link.short_code)
    assert snapshot is not None
    assert (snapshot.status, snapshot.attribution_window_s) == (LinkStatus.DISABLED, 7 * 86_400)


async def somebody_waits(affiliate: Affiliate) -> bool:
    async with affiliate.sessions() as session:
        waiting = text("SELECT 1 FROM pg_locks WHERE NOT granted")
        return (await session.execute(waiting)).first() is not None


async def test_a_page_token_is_bound_to_the_partner_not_to_the_tokens_subject(
    affiliate: Affiliate, anna: Principal, ben: Principal
) -> None:
    """A partner goes on with a newer token; another partner whose token has the same subject does not."""
    for _ in range(2):
        await affiliate.link(anna)
    old, new = (Principal(subject, Role.PARTNER, anna.partner_id) for subject in ("before", "after"))
    first = await affiliate.call(old, rpc.ListLinksRequest(page_size=1))
    assert isinstance(first, ListLinksResponse)
    following = rpc.ListLinksRequest(page_size=1, page_token=first.next_page_token)
    second = await affiliate.call(new, following)
    assert isinstance(second, ListLinksResponse)
    assert len(second.links) == 1
    with pytest.raises(InvalidArgument) as refused:
        await affiliate.call(Principal("before", Role.PARTNER, ben.partner_id), following)
    assert refused.value.reason == "PAGE_TOKEN_INVALID"
