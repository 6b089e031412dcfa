"""CatalogService over the wire, from a real channel to a real PostgreSQL."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest

from millrace.catalog.v1 import catalog_service_pb2 as pb
from millrace.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from millrace.catalog.v1.product_pb2 import Attribute, Product, Variant
from millrace.errors import MillraceError, error_from_rpc
from server.auth.principal import Role
from tests.contract.conftest import Mint

Metadata = tuple[tuple[str, str], ...]
PARTNER = "018f4e6e-0000-7000-8000-000000000000"
RESULT = pb.UpsertResult


def product(product_id: str, name: str = "Mug", **fields: Any) -> Product:
    """A good product with one variant."""
    variant = Variant(sku="s1", price=4995, currency="USD")
    return Product(product_id=product_id, name=name, variants=[variant], **fields)


async def refusal(call: Awaitable[object]) -> MillraceError:
    """How the call was refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return error_from_rpc(refused.value)


class TestUpsertProduct:
    """Storing one product."""

    @pytest.fixture
    def upsert(self, subject: CatalogServiceStub, as_admin: Metadata) -> Any:
        def upsert(message: Product) -> Awaitable[Product]:
            return subject.UpsertProduct(pb.UpsertProductRequest(product=message), metadata=as_admin)

        return upsert

    async def test_everything_comes_back(
        self, upsert: Any, subject: CatalogServiceStub, as_admin: Metadata
    ) -> None:
        """A stored product is returned whole, by the upsert and afterwards."""
        full = product(
            "p.1",
            'Grüße \'n "Tassen" 😀',
            slug="tassen",
            description="line\nline",
            status=Product.DRAFT,
            categories=["Kitchen > Mugs", "Gifts"],
            tags=["b", "a"],
            attributes=[Attribute(name="colour", value="red"), Attribute(name="colour", value="blue")],
            brand="Mugs & Co",
            ean=["0095205603217"],
            image_media_ids=["018f4e6e-0000-7000-8000-00000000000a"],
            popularity=1.5,
        )
        full.variants.append(Variant(sku="s2", price=2**63 - 1, currency="JPY", is_default=True, stock=0))
        full.released_at.FromJsonString("2009-12-10T00:00:00.123456Z")
        stored = await upsert(full)
        assert [(v.sku, v.is_default, v.HasField("stock")) for v in stored.variants] == [
            ("s2", True, True),
            ("s1", False, False),
        ]
        assert stored.version == 1
        assert stored.created_at == stored.updated_at
        again = Product()
        again.CopyFrom(stored)
        for name in ("version", "created_at", "updated_at"):
            again.ClearField(name)
        again.ClearField("variants")
        full.ClearField("variants")
        assert again == full
        read = await subject.GetProduct(pb.GetProductRequest(product_id="p.1"), metadata=as_admin)
        assert read == stored

    async def test_repeating_changes_nothing(self, upsert: Any) -> None:
        """The second call returns the first one's product, times and version included."""
        assert await upsert(product("p1")) == await upsert(product("p1"))

    async def test_other_content_is_the_next_version(self, upsert: Any) -> None:
        """Without a source version, changes count up; the slug and the birthday stay."""
        first = await upsert(product("p1", "Mug"))
        second = await upsert(product("p1", "Cup"))
        assert (second.version, second.name, second.slug) == (2, "Cup", "mug")
        assert second.created_at == first.created_at
        assert second.updated_at.ToNanoseconds() > first.updated_at.ToNanoseconds()

    async def test_stale_versions_lose(self, upsert: Any) -> None:
        """A lower version changes nothing and gets what is stored; a higher one wins."""
        await upsert(product("p1", "Mug", version=7))
        stale = await upsert(product("p1", "Old", version=6))
        assert (stale.name, stale.version) == ("Mug", 7)
        newer = await upsert(product("p1", "Mug", version=9))
        assert (newer.name, newer.version) == ("Mug", 9)
        unversioned = await upsert(product("p1", "Cup"))
        assert (unversioned.name, unversioned.version) == ("Cup", 10)

    async def test_an_id_is_minted(self, upsert: Any) -> None:
        """Without an id the product gets a UUIDv7."""
        stored = await upsert(product(""))
        assert stored.product_id[14] == "7"

    async def test_equal_names_get_different_slugs(self, upsert: Any) -> None:
        """The first one gets the plain slug."""
        slugs = [(await upsert(product(f"p{n}"))).slug for n in range(4)]
        assert slugs[0] == "mug"
        assert len(set(slugs)) == 4
        assert all(slug.startswith("mug-") for slug in slugs[1:])

    async def test_parallel_products_of_one_name_get_different_slugs(self, upsert: Any) -> None:
        """The unique index decides, and the losers try again."""
        stored = await asyncio.gather(*(upsert(product(f"p{n}")) for n in range(30)))
        assert len({one.slug for one in stored}) == 30

    async def test_parallel_writes_of_one_product_leave_one(self, upsert: Any) -> None:
        """Every writer gets an answer; the highest version is stored."""
        versions = [*range(1, 21)]
        await asyncio.gather(*(upsert(product("p1", f"Mug {n}", version=n)) for n in versions))
        assert (await upsert(product("p1", "late", version=1))).name == "Mug 20"

    async def test_a_slug_of_another_product_is_refused(self, upsert: Any) -> None:
        """ALREADY_EXISTS, and nothing is stored; the product's own slug may be given again."""
        await upsert(product("p1", slug="mug"))
        await upsert(product("p1", "Cup", slug="mug"))
        refused = await refusal(upsert(product("p2", slug="mug")))
        assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SLUG_TAKEN")
        await upsert(product("p2", slug="other"))
        refused = await refusal(upsert(product("p2", slug="mug")))
        assert refused.reason == "SLUG_TAKEN"

    @pytest.mark.parametrize(
        ("message", "fields"),
        [
            (Product(product_id="p1"), {"product.name"}),
            (product("a b"), {"product.product_id"}),
            (product("p1", "nul\0nul"), {"product.name"}),
            (product("p1", "x" * 1001), {"product.name"}),
            (product("p1", slug="Not A Slug"), {"product.slug"}),
            (product("p1", popularity=float("nan")), {"product.popularity"}),
            (product("p1", tags=["ok", "a\0"]), {"product.tags[1]"}),
            (product("p1", attributes=[Attribute(name="a", value="\0")]), {"product.attributes[0].value"}),
            (product("p1", version=0), {"product.version"}),
            (product("p1", image_media_ids=["x"]), {"product.image_media_ids[0]"}),
            (product("p1", released_at={"seconds": 2**62}), {"product.released_at"}),
            (product("p1", status=99), {"product.status"}),
        ],
    )
    async def test_bad_products_are_refused_by_field(
        self, upsert: Any, message: Product, fields: set[str]
    ) -> None:
        """INVALID_ARGUMENT with the path of each field; the server lives on."""
        refused = await refusal(upsert(message))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert {violation.field for violation in refused.violations} == fields

    async def test_a_repeated_sku_is_refused(self, upsert: Any) -> None:
        """Variants of one product differ by sku, and one is the default at most."""
        double = product("p1")
        double.variants.add(sku="s1", currency="USD", is_default=True)
        double.variants[0].is_default = True
        refused = await refusal(upsert(double))
        assert {violation.field for violation in refused.violations} == {
            "product.variants[1].sku",
            "product.variants[1].is_default",
        }

    async def test_long_names_are_kept(self, upsert: Any) -> None:
        """Names of up to 1,000 characters come back whole, with a short slug."""
        stored = await upsert(product("p1", "Ä" * 1000))
        assert len(stored.name) == 1000
        assert len(stored.slug) <= 200


class TestBatchUpsertProducts:
    """Storing many products."""

    @pytest.fixture
    def upsert(self, subject: CatalogServiceStub, as_admin: Metadata) -> Any:
        async def upsert(*products: Product) -> list[pb.UpsertResult]:
            request = pb.BatchUpsertProductsRequest(products=products)
            answer = await subject.BatchUpsertProducts(request, metadata=as_admin)
            return list(answer.results)

        return upsert

    async def test_each_product_is_judged_by_itself(self, upsert: Any) -> None:
        """Results in the order of the request; the bad one does not keep the others out."""
        await upsert(
            product("old"), product("same"), product("stale", version=5), product("slug", slug="taken")
        )
        results = await upsert(
            product("new"),
            product("same"),
            product("old", "Changed"),
            Product(product_id="bad"),
            product("stale", "Old", version=4),
            product("other", slug="taken"),
        )
        assert [result.outcome for result in results] == [
            RESULT.CREATED,
            RESULT.UNCHANGED,
            RESULT.UPDATED,
            RESULT.REJECTED,
            RESULT.STALE,
            RESULT.REJECTED,
        ]
        assert [result.index for result in results] == [*range(6)]
        assert [violation.field for violation in results[3].violations] == ["name"]
        assert [violation.field for violation in results[5].violations] == ["slug"]

    async def test_a_stale_product_claims_no_slug(self, upsert: Any) -> None:
        """What is not stored keeps nobody from the slug that it asked for."""
        await upsert(product("p1", version=9))
        results = await upsert(product("p1", slug="wanted", version=8), product("p2", slug="wanted"))
        assert [result.outcome for result in results] == [RESULT.STALE, RESULT.CREATED]

    async def test_five_hundred_and_not_one_more(self, upsert: Any) -> None:
        """The limit of the contract holds; equal names are no trouble."""
        results = await upsert(*(product(f"p{n}") for n in range(500)))
        assert {result.outcome for result in results} == {RESULT.CREATED}
        results = await upsert(*(product(f"p{n}") for n in range(500)))
        assert {result.outcome for result in results} == {RESULT.UNCHANGED}
        refused = await refusal(upsert(*(product(f"p{n}") for n in range(501))))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert [violation.field for violation in refused.violations] == ["products"]

    async def test_an_empty_batch_is_refused(self, upsert: Any) -> None:
        """A batch holds at least one product."""
        assert (await refusal(upsert())).code is grpc.StatusCode.INVALID_ARGUMENT

    async def test_a_repeated_id_is_refused(self, upsert: Any) -> None:
        """Which of the two would win is nobody's guess."""
        refused = await refusal(upsert(product("p1"), product("p2"), product("p1", "Cup")))
        assert refused.reason == "PRODUCT_REPEATED"
        assert [violation.field for violation in refused.violations] == ["products[2].product_id"]

    async def test_products_without_id_are_no_repetition(self, upsert: Any) -> None:
        """Each gets an id of its own, and the answer tells it."""
        results = await upsert(product(""), product(""))
        assert len({result.product_id for result in results}) == 2

    async def test_batches_in_opposite_order_do_not_block_each_other(self, upsert: Any) -> None:
        """Rows are locked in id order, and a deadlock over slugs is tried again."""
        ids = [f"p{n:03}" for n in range(100)]
        for round_number in range(5):
            forth = [product(one, f"Mug {round_number}") for one in ids]
            back = [product(one, f"Cup {round_number}") for one in reversed(ids)]
            fresh = [product(f"f{round_number}-{one}", "Mug") for one in ids]
            fresh_too = [product(f"g{round_number}-{one}", "Mug") for one in reversed(ids)]
            answers = await asyncio.gather(upsert(*forth), upsert(*back), upsert(*fresh), upsert(*fresh_too))
            assert all(result.outcome != RESULT.REJECTED for answer in answers for result in answer)


class TestReading:
    """Getting, listing and deleting."""

    @pytest.fixture
    async def stored(self, subject: CatalogServiceStub, as_admin: Metadata) -> list[str]:
        """Ids of ten products, in order; the even ones are drafts, the first five of one brand."""
        products = [
            product(
                f"p{n}",
                brand="HP" if n < 5 else "",
                status=Product.ACTIVE if n % 2 else Product.DRAFT,
            )
            for n in range(10)
        ]
        await subject.BatchUpsertProducts(pb.BatchUpsertProductsRequest(products=products), metadata=as_admin)
        return [one.product_id for one in products]

    @pytest.fixture
    def as_partner(self, mint: Mint) -> Metadata:
        return (("authorization", f"Bearer {mint(Role.PARTNER, PARTNER)}"),)

    async def ids(self, subject: CatalogServiceStub, metadata: Metadata, **request: Any) -> list[str]:
        answer = await subject.ListProducts(pb.ListProductsRequest(**request), metadata=metadata)
        return [one.product_id for one in answer.products]

    async def test_pages_hold_everything_once(
        self, subject: CatalogServiceStub, as_admin: Metadata, stored: list[str]
    ) -> None:
        """Walking the pages meets every product in order; the last page has no token."""
        found, request = [], pb.ListProductsRequest(page_size=3)
        while True:
            answer = await subject.ListProducts(request, metadata=as_admin)
            found.append([one.product_id for one in answer.products])
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token
        assert found == [stored[0:3], stored[3:6], stored[6:9], stored[9:]]

    async def test_filters(self, subject: CatalogServiceStub, as_admin: Metadata, stored: list[str]) -> None:
        """By status, by brand, by both."""
        assert await self.ids(subject, as_admin, status=Product.ACTIVE) == stored[1::2]
        assert await self.ids(subject, as_admin, brand="HP") == stored[:5]
        assert await self.ids(subject, as_admin, brand="HP", status=Product.DRAFT) == ["p0", "p2", "p4"]
        assert await self.ids(subject, as_admin, brand="hp") == []

    async def test_partners_see_what_is_on_sale(
        self, subject: CatalogServiceStub, as_partner: Metadata, stored: list[str]
    ) -> None:
        """Drafts are not listed, not found by id, and may not be asked for."""
        assert await self.ids(subject, as_partner) == stored[1::2]
        found = await subject.GetProduct(pb.GetProductRequest(product_id="p1"), metadata=as_partner)
        assert found.product_id == "p1"
        refused = await refusal(
            subject.GetProduct(pb.GetProductRequest(product_id="p0"), metadata=as_partner)
        )
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND")
        refused = await refusal(
            subject.ListProducts(pb.ListProductsRequest(status=Product.DRAFT), metadata=as_partner)
        )
        assert refused.code is grpc.StatusCode.PERMISSION_DENIED

    async def test_a_page_token_is_the_callers_own(
        self, subject: CatalogServiceStub, as_admin: Metadata, as_partner: Metadata, stored: list[str]
    ) -> None:
        """An admin's token in a partner's hands is refused, and so is one with another filter."""
        answer = await subject.ListProducts(pb.ListProductsRequest(page_size=2), metadata=as_admin)
        stolen = pb.ListProductsRequest(page_token=answer.next_page_token)
        refused = await refusal(subject.ListProducts(stolen, metadata=as_partner))
        assert refused.reason == "PAGE_TOKEN_INVALID"
        refiltered = pb.ListProductsRequest(page_token=answer.next_page_token, brand="HP")
        refused = await refusal(subject.ListProducts(refiltered, metadata=as_admin))
        assert refused.reason == "PAGE_TOKEN_INVALID"

    async def test_a_heavy_page_is_cut_short(self, subject: CatalogServiceStub, as_admin: Metadata) -> None:
        """A page stays below what clients accept, and goes on in the next one."""
        for n in range(80):
            message = product(f"p{n:02}", description="x" * 65_000)
            await subject.UpsertProduct(pb.UpsertProductRequest(product=message), metadata=as_admin)
        request = pb.ListProductsRequest(page_size=500)
        first = await subject.ListProducts(request, metadata=as_admin)
        request.page_token = first.next_page_token
        second = await subject.ListProducts(request, metadata=as_admin)
        assert first.ByteSize() < 4 * 1024 * 1024
        found = [one.product_id for one in [*first.products, *second.products]]
        assert found == [f"p{n:02}" for n in range(80)]

    @pytest.mark.parametrize("product_id", ["none", "nul\0", "x" * 128])
    async def test_an_unknown_product(
        self, subject: CatalogServiceStub, as_admin: Metadata, product_id: str
    ) -> None:
        """NOT_FOUND with a reason, or a refusal of the id; never an internal error."""
        refused = await refusal(
            subject.GetProduct(pb.GetProductRequest(product_id=product_id), metadata=as_admin)
        )
        assert refused.code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)

    async def test_a_filter_that_no_product_can_have(
        self, subject: CatalogServiceStub, as_admin: Metadata
    ) -> None:
        """A brand with a NUL is the caller's mistake, not an internal error."""
        refused = await refusal(self.ids(subject, as_admin, brand="a\0"))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT

    async def test_deleting(self, subject: CatalogServiceStub, as_admin: Metadata, stored: list[str]) -> None:
        """A deleted product is gone; deleting it again is NOT_FOUND; its slug is free again."""
        await subject.DeleteProduct(pb.DeleteProductRequest(product_id="p0"), metadata=as_admin)
        assert await self.ids(subject, as_admin) == stored[1:]
        refused = await refusal(
            subject.DeleteProduct(pb.DeleteProductRequest(product_id="p0"), metadata=as_admin)
        )
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND")
        again = await subject.UpsertProduct(pb.UpsertProductRequest(product=product("px")), metadata=as_admin)
        assert again.slug == "mug"
