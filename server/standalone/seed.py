"""`python -m server.standalone.seed TARGET FILE`: makes the demo shop, and writes its partner's id to FILE.

Goes through the public client with the admin token of `MILLRACE_ADMIN_TOKEN`, as any program of the shop
would. Every step can be repeated: a run that was cut short is simply run again.
"""

import asyncio
import os
import sys
from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask

import millrace
from millrace.affiliate.v1.affiliate_service_pb2 import (
    ApprovePartnerRequest,
    CreateLinkRequest,
    CreatePartnerRequest,
    GetProgramRequest,
    ListPartnersRequest,
    UpdateProgramRequest,
)
from millrace.affiliate.v1.commission_pb2 import Commission
from millrace.affiliate.v1.partner_pb2 import Partner
from millrace.affiliate.v1.program_pb2 import Program
from millrace.catalog.v1.catalog_service_pb2 import BatchUpsertProductsRequest, UpsertResult
from server.standalone.demo_products import demo_products
from server.standalone.own_processes import SHOP
from server.standalone.private_files import write_private

EMAIL = "demo@partner.example"


async def seed(target: str, admin_token: str) -> str:
    """Makes program, products, one ACTIVE partner and its links; returns the partner's id."""
    async with millrace.connect(target, token=admin_token) as client:
        await set_program(client)
        await store_products(client)
        partner = await find_partner(client) or await client.affiliate.CreatePartner(
            CreatePartnerRequest(name="demo", email=EMAIL)
        )
        if partner.status == Partner.PENDING:
            await client.affiliate.ApprovePartner(ApprovePartnerRequest(partner_id=partner.partner_id))
        await make_links(client, partner.partner_id)
        return str(partner.partner_id)


async def set_program(client: millrace.Client) -> None:
    """Lets links lead to the demo shop, unless an operator has chosen hosts already."""
    program = await client.affiliate.GetProgram(GetProgramRequest())
    if program.allowed_destination_hosts:
        return
    demo = Program(
        name="Demo shop",
        allowed_destination_hosts=[SHOP, f"www.{SHOP}"],
        product_url_template=f"https://{SHOP}/products/{{slug}}",
        default_commission=Commission(type=Commission.PERCENTAGE, rate="7.5"),
    )
    mask = FieldMask(paths=[field.name for field, _ in demo.ListFields()])
    await client.affiliate.UpdateProgram(UpdateProgramRequest(program=demo, update_mask=mask))


async def store_products(client: millrace.Client) -> None:
    """Stores the demo products; raises ValueError when one breaks a rule, which is a defect of ours."""
    products = demo_products()
    answer = await client.catalog.BatchUpsertProducts(BatchUpsertProductsRequest(products=products))
    refused = [result for result in answer.results if result.outcome == UpsertResult.REJECTED]
    if refused:
        raise ValueError(f"a demo product breaks a rule: {refused[0].violations}")


async def find_partner(client: millrace.Client) -> Partner | None:
    """The demo partner of an earlier run."""
    request = ListPartnersRequest(page_size=500)
    while True:
        page = await client.affiliate.ListPartners(request)
        for partner in page.partners:
            if partner.email == EMAIL:
                return partner
        if not page.next_page_token:
            return None
        request.page_token = page.next_page_token


async def make_links(client: millrace.Client, partner_id: str) -> None:
    """A link to each of the first products, and one to the shop's front page that passes the query on."""
    for product in demo_products()[:4]:
        await client.affiliate.CreateLink(
            CreateLinkRequest(
                partner_id=partner_id, product_id=product.product_id, request_id=f"demo-{product.product_id}"
            )
        )
    await client.affiliate.CreateLink(
        CreateLinkRequest(
            partner_id=partner_id,
            destination_url=f"https://{SHOP}/",
            campaign="front page",
            forward_query=True,
            request_id="demo-front-page",
        )
    )


if __name__ == "__main__":
    where, file = sys.argv[1:]
    write_private(Path(file), asyncio.run(seed(where, os.environ["MILLRACE_ADMIN_TOKEN"])))
