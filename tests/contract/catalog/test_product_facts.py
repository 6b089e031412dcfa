"""What other domains may ask of the catalogue."""

from dataclasses import replace

from server.catalog.product import ProductFacts, ProductStatus, ProductUpsert
from server.catalog.service import CatalogService
from server.db.engine import make_engine, make_sessions
from tests.unit.catalog.test_upsert_rules import CONTENT


async def test_facts_of_a_product(service: CatalogService, postgres_dsn: str) -> None:
    """Slug, status and categories, in a session of its own or in the caller's; None for an unknown id."""
    content = replace(CONTENT, categories=("Kitchen",), status=ProductStatus.DRAFT)
    await service.upsert_product(ProductUpsert(content, slug="mug", version=None))
    expected = ProductFacts("p1", "mug", ProductStatus.DRAFT, ("Kitchen",))
    assert await service.find_product("p1") == expected
    assert await service.find_product("p2") is None
    engine = make_engine(postgres_dsn)
    async with make_sessions(engine)() as session:
        assert await service.find_product("p1", session) == expected
    await engine.dispose()
