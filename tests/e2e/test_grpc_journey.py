"""The same journey for an internal service: the generated client over gRPC.

MILLRACE_CHAOS_ROUNDS makes more links, up to five times as many (`make chaos`: twenty thousand).
"""

import asyncio
import itertools
import os
import uuid
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf import field_mask_pb2

import millrace
from millrace.affiliate.v1 import affiliate_service_pb2 as affiliate
from millrace.affiliate.v1 import link_pb2, partner_pb2
from millrace.catalog.v1 import catalog_service_pb2 as catalog
from millrace.catalog.v1 import product_pb2
from tests.e2e.conftest import Visitors, eventually
from tests.stack import Stack

LINKS = 2_000 * min(10, int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "1")))


@pytest.fixture
async def admin_client(stack: Stack) -> AsyncIterator[millrace.Client]:
    async with millrace.connect(stack["grpc_target"], token=stack["admin_token"]) as client:
        yield client


@pytest.fixture
async def partner_client(stack: Stack, admin_client: millrace.Client) -> AsyncIterator[millrace.Client]:
    token = await active_partners_token(admin_client)
    async with millrace.connect(stack["grpc_target"], token=token) as client:
        yield client


async def active_partners_token(admin: millrace.Client) -> str:
    """The token of a new partner who may make links."""
    created = await admin.affiliate.CreatePartner(
        affiliate.CreatePartnerRequest(name="Grace", email=f"{uuid.uuid4().hex}@partners.example")
    )
    approved = await admin.affiliate.ApprovePartner(
        affiliate.ApprovePartnerRequest(partner_id=created.partner_id)
    )
    assert approved.status == partner_pb2.Partner.ACTIVE
    minted = await admin.affiliate.MintPartnerToken(
        affiliate.MintPartnerTokenRequest(partner_id=created.partner_id)
    )
    return minted.token


async def test_a_link_made_over_grpc_is_clicked_and_counted(
    admin_client: millrace.Client, partner_client: millrace.Client, visitors: Visitors
) -> None:
    """Product, link, click, statistics, disable: nothing but the client and a browser."""
    product = await admin_client.catalog.UpsertProduct(
        catalog.UpsertProductRequest(
            product=product_pb2.Product(
                name="Teapot", variants=[product_pb2.Variant(sku="T", price=1995, currency="EUR")]
            )
        )
    )
    link = await partner_client.affiliate.CreateLink(
        affiliate.CreateLinkRequest(product_id=product.product_id)
    )

    answer = await visitors.click(link.short_code)
    assert answer.headers["Location"] == link.destination_url

    async def counted() -> bool:
        stats = await partner_client.affiliate.GetLinkStats(
            affiliate.GetLinkStatsRequest(link_id=link.link_id)
        )
        return (stats.human_clicks, stats.unique_clicks, stats.bot_clicks) == (1, 1, 0)

    await eventually(counted, within_seconds=2)
    disabled = await partner_client.affiliate.DisableLink(affiliate.DisableLinkRequest(link_id=link.link_id))
    assert disabled.status == link_pb2.Link.DISABLED


async def test_errors_are_exceptions_with_reason_and_field(partner_client: millrace.Client) -> None:
    """What REST says in problem+json, the client raises."""
    with pytest.raises(millrace.MillraceError) as caught:
        await partner_client.affiliate.CreateLink(
            affiliate.CreateLinkRequest(destination_url="https://evil.example/")
        )

    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.reason == "DESTINATION_NOT_ALLOWED"
    assert [violation.field for violation in caught.value.violations] == ["destination_url"]
    assert caught.value.request_id


async def test_an_update_changes_what_the_mask_names(partner_client: millrace.Client) -> None:
    """A field in the mask that is unset is cleared; others stay."""
    link = await partner_client.affiliate.CreateLink(
        affiliate.CreateLinkRequest(
            destination_url="https://shop.example/p/x", campaign="a", forward_query=True
        )
    )

    updated = await partner_client.affiliate.UpdateLink(
        affiliate.UpdateLinkRequest(
            link=link_pb2.Link(link_id=link.link_id), update_mask=field_mask_pb2.FieldMask(paths=["campaign"])
        )
    )

    assert not updated.HasField("campaign")
    assert updated.forward_query


async def test_resolving_is_for_services_only(partner_client: millrace.Client) -> None:
    """The edge's own call is closed to partners."""
    with pytest.raises(millrace.MillraceError) as caught:
        await partner_client.affiliate.ResolveLink(affiliate.ResolveLinkRequest(short_code="abc"))

    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


async def test_thousands_of_links_have_distinct_random_codes(victim: Stack) -> None:
    """One partner, 64 at a time on two servers: no failure, no clash, no order that tells the next."""
    count, at_once = LINKS, asyncio.Semaphore(64)
    asked = affiliate.CreateLinkRequest(destination_url="https://shop.example/p/many")

    async def create(client: millrace.Client) -> str:
        async with at_once:
            return (await client.affiliate.CreateLink(asked, timeout=30)).short_code

    target = victim["grpc_target"]
    async with millrace.connect(target, token=victim["admin_token"]) as admin:
        token = await active_partners_token(admin)
    async with millrace.connect(target, token=token) as client:
        codes = await asyncio.gather(*(create(client) for _ in range(count)))

    assert len(set(codes)) == count
    assert {len(code) for code in codes} <= {6, 7}
    assert set("".join(codes)) <= set("abcdefghjkmnpqrstuvwxyz23456789")
    # A counter or a clock behind the codes would make neighbours share their beginning far more often than
    # chance does, which is once in 31**2 pairs.
    alike = sum(one[:2] == other[:2] for one, other in itertools.pairwise(codes))
    assert alike < 4 * count / 31**2
