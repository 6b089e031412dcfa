"""The same journey for an internal service: the generated client over gRPC."""

import asyncio
import itertools
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


@pytest.fixture
async def admin_client(stack: Stack) -> AsyncIterator[millrace.Client]:
    async with millrace.connect(stack["grpc_target"], token=stack["admin_token"]) as client:
        yield client


@pytest.fixture
async def partner_client(stack: Stack, admin_client: millrace.Client) -> AsyncIterator[millrace.Client]:
    created = await admin_client.affiliate.CreatePartner(
        affiliate.CreatePartnerRequest(name="Grace", email=f"{uuid.uuid4().hex}@partners.example")
    )
    approved = await admin_client.affiliate.ApprovePartner(
        affiliate.ApprovePartnerRequest(partner_id=created.partner_id)
    )
    assert approved.status == partner_pb2.Partner.ACTIVE
    minted = await admin_client.affiliate.MintPartnerToken(
        affiliate.MintPartnerTokenRequest(partner_id=created.partner_id)
    )
    async with millrace.connect(stack["grpc_target"], token=minted.token, deadline_seconds=30) as client:
        yield client


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


async def test_twenty_thousand_links_have_distinct_random_codes(partner_client: millrace.Client) -> None:
    """One partner, 64 at a time: no failure, no clash, no order that would let one derive the next."""
    count, at_once = 20_000, asyncio.Semaphore(64)

    async def create() -> str:
        async with at_once:
            link = await partner_client.affiliate.CreateLink(
                affiliate.CreateLinkRequest(destination_url="https://shop.example/p/many")
            )
            return link.short_code

    codes = await asyncio.gather(*(create() for _ in range(count)))

    assert len(set(codes)) == count
    assert {len(code) for code in codes} <= {6, 7}
    assert set("".join(codes)) <= set("abcdefghjkmnpqrstuvwxyz23456789")
    # A counter or a clock behind the codes would make neighbours share their beginning far more often than
    # chance does: 31**2 beginnings of two characters over 19,999 pairs of neighbours.
    alike = sum(one[:2] == other[:2] for one, other in itertools.pairwise(codes))
    assert alike < 60
