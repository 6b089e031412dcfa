"""Products show their pictures: over the wire, with the rows that processed pictures leave."""

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from millrace.catalog.v1 import catalog_service_pb2 as pb
from millrace.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from millrace.catalog.v1.product_pb2 import Product, ProductImage
from server.auth.principal import Principal, Role, acting_as
from server.catalog.service import CatalogService
from server.catalog.servicer import CatalogServicer
from server.db.engine import Sessions
from server.media.models import ContentRow, MediaRow, RenditionRow, VariantRow
from server.media.service.reading import MediaService
from server.media.settings import MediaSettings
from server.media.store import ObjectStore
from server.product_images import find_images_by
from server.rpc.pages import PageTokens
from server.settings import Settings
from tests.contract.conftest import Mint

Metadata = tuple[tuple[str, str], ...]
CDN = "https://cdn.example/pictures"
THUMBHASH = bytes(range(25))
NAMES = ("thumb", "large")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A server whose pictures are served by a CDN."""
    return settings.model_copy(update={"media_public_url": CDN})


async def store_picture(sessions: Sessions, number: int, status: str = "READY") -> str:
    """A picture as it lies in the tables, with two variants once it is READY; returns its id."""
    media_id, sha256 = uuid.UUID(int=number), number.to_bytes(32)
    is_ready = status == "READY"
    async with sessions.begin() as session:
        if is_ready:
            session.add(
                ContentRow(
                    sha256=sha256, width=1600, height=1200, thumbhash=THUMBHASH, dominant_color="#a1b2c3"
                )
            )
            await session.flush()
        session.add(
            MediaRow(
                media_id=media_id,
                entity_type="product",
                entity_id="p",
                key=f"product/p/{media_id}.jpg",
                filename="p.jpg",
                content_type="image/jpeg",
                declared_bytes=1,
                status=status,
                reason="BROKEN" if status == "REJECTED" else None,
                wanted=[],
                sha256=sha256 if is_ready else None,
            )
        )
        await session.flush()
        for position, name in enumerate(NAMES if is_ready else ()):
            key = f"_variants/{sha256.hex()}/{name}-0123456789abcdef.webp"
            session.add(RenditionRow(key=key, sha256=sha256, width=200, height=150, bytes=9, format="webp"))
            await session.flush()
            session.add(VariantRow(media_id=media_id, name=name, position=position, key=key))
    return str(media_id)


def product(product_id: str, media_ids: Sequence[str], **fields: Any) -> Product:
    return Product(product_id=product_id, name=product_id, image_media_ids=media_ids, **fields)


def shown(message: Product) -> list[str]:
    return [image.media_id for image in message.images]


@pytest.fixture
def upsert(subject: CatalogServiceStub, as_admin: Metadata) -> Any:
    async def upsert(message: Product) -> Product:
        return await subject.UpsertProduct(pb.UpsertProductRequest(product=message), metadata=as_admin)

    return upsert


async def test_a_picture_comes_with_all_that_a_page_needs(upsert: Any, sessions: Sessions) -> None:
    """Sizes, placeholder, colour and each variant's URL at the CDN, in the order of the recipes."""
    media_id = await store_picture(sessions, 1)
    [image] = (await upsert(product("p", [media_id]))).images
    assert (image.media_id, image.width, image.height) == (media_id, 1600, 1200)
    assert (image.thumbhash, image.dominant_color) == ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA==", "#a1b2c3")
    assert [variant.name for variant in image.variants] == ["thumb", "large"]
    thumb = image.variants[0]
    sha256 = "0" * 63 + "1"
    assert thumb.url == f"{CDN}/_variants/{sha256}/thumb-0123456789abcdef.webp"
    assert (thumb.width, thumb.height, thumb.format) == (200, 150, "webp")


async def test_only_pictures_that_can_be_shown_are_in_the_products_order(
    upsert: Any, sessions: Sessions
) -> None:
    """Pictures that are not READY and ids that are nobody's are left out; the ids all stay."""
    first, second = await store_picture(sessions, 2), await store_picture(sessions, 1)
    pending = await store_picture(sessions, 3, "PENDING")
    rejected = await store_picture(sessions, 4, "REJECTED")
    wanted = [pending, first, str(uuid.UUID(int=99)), rejected, second]
    stored = await upsert(product("p", wanted))
    assert shown(stored) == [first, second]
    assert list(stored.image_media_ids) == wanted


async def test_every_answer_with_products_shows_them(
    upsert: Any, subject: CatalogServiceStub, sessions: Sessions, mint: Mint
) -> None:
    """Storing, reading and listing, for partners as well."""
    media_id = await store_picture(sessions, 1)
    stored = await upsert(product("p", [media_id]))
    partner = (("authorization", f"Bearer {mint(Role.PARTNER, str(uuid.UUID(int=7)))}"),)
    read = await subject.GetProduct(pb.GetProductRequest(product_id="p"), metadata=partner)
    page = await subject.ListProducts(pb.ListProductsRequest(), metadata=partner)
    assert shown(stored) == [media_id]
    assert (read, list(page.products)) == (stored, [stored])


async def test_images_on_input_are_passed_over(upsert: Any, sessions: Sessions) -> None:
    """A product that was read can be stored as it is: nothing changes, and nothing is taken from it."""
    media_id = await store_picture(sessions, 1)
    stored = await upsert(product("p", [media_id]))
    altered = Product()
    altered.CopyFrom(stored)
    altered.images.append(ProductImage(media_id=str(uuid.UUID(int=5)), width=-1))
    assert await upsert(altered) == stored


async def test_pages_stay_below_the_limit_of_messages(
    upsert: Any, subject: CatalogServiceStub, sessions: Sessions, as_admin: Metadata
) -> None:
    """What products with many pictures show counts too: pages get shorter, and none is left out."""
    media_ids = [await store_picture(sessions, number) for number in range(1, 101)]
    await subject.BatchUpsertProducts(
        pb.BatchUpsertProductsRequest(products=[product(f"p{n:03}", media_ids) for n in range(120)]),
        metadata=as_admin,
    )
    request = pb.ListProductsRequest(page_size=500)
    seen: list[str] = []
    pages = 0
    while True:
        page = await subject.ListProducts(request, metadata=as_admin)
        assert page.ByteSize() < 3 * 1024 * 1024 + 10_000
        assert all(shown(message) == media_ids for message in page.products)
        seen += [message.product_id for message in page.products]
        pages += 1
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == [f"p{n:03}" for n in range(120)]
    assert pages > 1


async def test_a_page_of_products_costs_one_question(engine: AsyncEngine, sessions: Sessions) -> None:
    """However many products there are, their pictures are one statement beside that for the products."""
    media_ids = [await store_picture(sessions, number) for number in range(1, 21)]
    servicer = CatalogServicer(
        CatalogService(sessions),
        page_tokens=PageTokens([b"a secret for pages"]),
        contract_violations=lambda message: (),
        find_images=find_images_by(MediaService(sessions), ObjectStore(MediaSettings(media_public_url=CDN))),
    )
    products = [product(f"p{number:02}", [media_id]) for number, media_id in enumerate(media_ids)]
    await servicer.BatchUpsertProducts(pb.BatchUpsertProductsRequest(products=products), None)
    asked: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with acting_as(Principal("tester", Role.ADMIN)):
        page = await servicer.ListProducts(pb.ListProductsRequest(page_size=20), None)
    assert [shown(message) for message in page.products] == [[media_id] for media_id in media_ids]
    assert len([statement for statement in asked if "SELECT" in statement]) == 2
