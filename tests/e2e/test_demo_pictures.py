"""The demo shop's products show pictures, which came by the very path that a shop's own would take."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from PIL import Image
from PIL.ExifTags import IFD

import millrace
from millrace.catalog.v1.catalog_service_pb2 import GetProductRequest, UpsertProductRequest
from millrace.catalog.v1.product_pb2 import Product
from millrace.media.v1.media_pb2 import Media
from millrace.media.v1.media_service_pb2 import (
    CreateUploadUrlRequest,
    DeleteMediaRequest,
    GetMediaRequest,
    ListMediaRequest,
)
from server.standalone.demo_pictures.uploads import give_pictures
from server.standalone.demo_products import demo_products
from tests.e2e.conftest import Api
from tests.stack import Stack

SIZES = {"thumb": (200, 200), "medium": (800, 800), "large": (1600, 1200), "og": (1200, 630)}
DEMO = demo_products()


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[millrace.Client]:
    async with millrace.connect(stack["grpc_target"], token=stack["admin_token"]) as client:
        yield client


async def fetch(session: aiohttp.ClientSession, url: str) -> Image.Image:
    """As any visitor: without a credential."""
    async with session.get(url) as answer:
        assert answer.status == 200, url
        image = Image.open(io.BytesIO(await answer.read()))
        image.load()
        return image


async def stored(client: millrace.Client, product_id: str) -> Product:
    return await client.catalog.GetProduct(GetProductRequest(product_id=product_id))


async def of_product(client: millrace.Client, product_id: str) -> list[Media]:
    answer = await client.media.ListMedia(ListMediaRequest(entity_type="product", entity_id=product_id))
    return list(answer.media)


async def test_every_demo_product_shows_its_picture(admin: Api, session: aiohttp.ClientSession) -> None:
    """Four variants each, at public URLs, in the format and of the size that the catalogue says."""
    answer = await admin.get("/api/v1/catalog/products", params={"pageSize": "500"})
    shown = {product["productId"]: product["images"] for product in answer.body["products"]}
    images = [image for product in DEMO for image in shown[product.product_id]]
    assert len({image["mediaId"] for image in images}) == len(DEMO)
    assert all((image["width"], image["height"]) == (1600, 1200) for image in images)
    assert all(image["thumbhash"] and len(image["dominantColor"]) == len("#rrggbb") for image in images)

    async def check(variant: dict[str, Any]) -> str:
        fetched = await fetch(session, variant["url"])
        assert fetched.size == (variant["width"], variant["height"]) == SIZES[variant["name"]]
        assert fetched.format == variant["format"].upper()
        return str(variant["name"])

    for image in images:
        names = await asyncio.gather(*(check(variant) for variant in image["variants"]))
        assert names == list(SIZES)


async def test_where_it_was_taken_stays_in_the_original(
    client: millrace.Client, session: aiohttp.ClientSession
) -> None:
    """The file has a position in its metadata; its variants have no metadata at all."""
    [image] = (await stored(client, DEMO[0].product_id)).images
    record = await client.media.GetMedia(GetMediaRequest(media_id=image.media_id))
    original = await fetch(session, record.public_url)
    assert original.getexif().get_ifd(IFD.GPSInfo)
    for variant in image.variants:
        fetched = await fetch(session, variant.url)
        assert not fetched.getexif()
        assert "icc_profile" not in fetched.info


async def test_a_second_run_makes_nothing_twice(client: millrace.Client) -> None:
    """Every product is as it was, and has the one picture."""
    before = [await stored(client, product.product_id) for product in DEMO]
    assert await give_pictures(client, DEMO) == []
    assert [await stored(client, product.product_id) for product in DEMO] == before
    assert [len(await of_product(client, product.product_id)) for product in DEMO] == [1] * len(DEMO)


async def test_a_run_that_was_cut_short_goes_on(client: millrace.Client) -> None:
    """A picture that was announced and never uploaded gives way to one that is."""
    product = DEMO[-1]
    changed = await stored(client, product.product_id)
    for media in await of_product(client, product.product_id):
        await client.media.DeleteMedia(DeleteMediaRequest(media_id=media.media_id))
    changed.ClearField("image_media_ids")
    changed.ClearField("version")
    await client.catalog.UpsertProduct(UpsertProductRequest(product=changed))
    left = await client.media.CreateUploadUrl(
        CreateUploadUrlRequest(
            filename=f"{product.product_id}.jpg",
            content_type="image/jpeg",
            content_length=1000,
            entity_type="product",
            entity_id=product.product_id,
        )
    )
    assert await give_pictures(client, [product]) == []
    [media] = await of_product(client, product.product_id)
    assert (media.media_id != left.media_id, media.status) == (True, Media.READY)
    assert [image.media_id for image in (await stored(client, product.product_id)).images] == [media.media_id]


async def test_pictures_that_somebody_chose_stay(client: millrace.Client) -> None:
    """A demo product that was given another picture is left alone."""
    product = DEMO[-2]
    mine = await stored(client, product.product_id)
    other = (await stored(client, DEMO[0].product_id)).image_media_ids[0]
    chosen = Product()
    chosen.CopyFrom(mine)
    chosen.image_media_ids[:] = [other]
    chosen.ClearField("version")
    changed = await client.catalog.UpsertProduct(UpsertProductRequest(product=chosen))
    assert await give_pictures(client, [product]) == []
    assert await stored(client, product.product_id) == changed
    mine.ClearField("version")
    await client.catalog.UpsertProduct(UpsertProductRequest(product=mine))
