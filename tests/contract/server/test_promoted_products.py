"""Which products the affiliate domain gets to know of from the catalogue, in a server that hosts both."""

import grpc
import pytest

from millrace.affiliate.v1 import affiliate_service_pb2 as affiliate
from millrace.affiliate.v1.affiliate_service_pb2_grpc import AffiliateServiceStub
from millrace.catalog.v1.catalog_service_pb2 import UpsertProductRequest
from millrace.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from millrace.catalog.v1.product_pb2 import Product
from millrace.errors import error_from_rpc

Metadata = tuple[tuple[str, str], ...]


async def test_links_lead_to_products_on_sale_only(channel: grpc.aio.Channel, as_admin: Metadata) -> None:
    """A draft answers like no product at all: its slug would tell its name before its time."""
    links, catalog = AffiliateServiceStub(channel), CatalogServiceStub(channel)
    asked = affiliate.CreatePartnerRequest(name="Anna", email="anna@partner.example")
    partner = await links.CreatePartner(asked, metadata=as_admin)
    approval = affiliate.ApprovePartnerRequest(partner_id=partner.partner_id)
    await links.ApprovePartner(approval, metadata=as_admin)
    for product_id, status in (("mug", Product.ACTIVE), ("secret", Product.DRAFT)):
        product = Product(product_id=product_id, name=product_id, status=status)
        await catalog.UpsertProduct(UpsertProductRequest(product=product), metadata=as_admin)

    wanted = affiliate.CreateLinkRequest(partner_id=partner.partner_id, product_id="mug")
    link = await links.CreateLink(wanted, metadata=as_admin)
    assert link.destination_url == "https://shop.example/p/mug"
    for product_id in ("secret", "unknown"):
        wanted.product_id = product_id
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await links.CreateLink(wanted, metadata=as_admin)
        error = error_from_rpc(refused.value)
        assert (error.reason, error.violations[0].field) == ("PRODUCT_NOT_FOUND", "product_id")
