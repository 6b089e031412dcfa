"""What an upsert does to what is stored, and what may be stored at all."""

from dataclasses import replace

import pytest

from server.catalog.product import (
    ProductContent,
    ProductStatus,
    ProductUpsert,
    UpsertOutcome,
    Variant,
    in_normal_form,
)
from server.catalog.repository import StoredState
from server.catalog.rules import LARGEST_VERSION, broken_rules
from server.catalog.upserts import outcome_for

CONTENT = ProductContent(
    product_id="p1",
    name="Mug",
    description="",
    status=ProductStatus.ACTIVE,
    variants=(Variant("s1", 100, "USD", is_default=True, stock=None),),
    categories=(),
    tags=(),
    attributes=(("colour", "red"),),
    brand="",
    ean=(),
    image_media_ids=(),
    popularity=0.0,
    released_at=None,
)
OTHER = replace(CONTENT, name="Cup")
STORED = StoredState(slug="mug", version=5, content_hash=CONTENT.content_hash())


@pytest.mark.parametrize(
    ("content", "slug", "version", "outcome"),
    [
        (CONTENT, None, None, UpsertOutcome.UNCHANGED),
        (CONTENT, "mug", None, UpsertOutcome.UNCHANGED),
        (CONTENT, "cup", None, UpsertOutcome.UPDATED),
        (OTHER, None, None, UpsertOutcome.UPDATED),
        (CONTENT, None, 4, UpsertOutcome.STALE),
        (OTHER, None, 4, UpsertOutcome.STALE),
        (OTHER, "cup", 1, UpsertOutcome.STALE),
        (CONTENT, None, 5, UpsertOutcome.UNCHANGED),
        (OTHER, None, 5, UpsertOutcome.UPDATED),
        (CONTENT, None, 6, UpsertOutcome.UPDATED),
        (OTHER, None, 6, UpsertOutcome.UPDATED),
    ],
)
def test_outcomes(
    content: ProductContent, slug: str | None, version: int | None, outcome: UpsertOutcome
) -> None:
    """An older version never wins; without a version the content decides."""
    assert outcome_for(ProductUpsert(content, slug, version), content.content_hash(), STORED) is outcome


def test_what_is_not_there_is_created() -> None:
    """Nothing stored: any version creates."""
    assert outcome_for(ProductUpsert(CONTENT, None, 3), b"", None) is UpsertOutcome.CREATED


def test_every_field_counts_as_content() -> None:
    """A change of any field but the id changes the hash."""
    changes: dict[str, object] = {
        "name": "x",
        "description": "x",
        "status": ProductStatus.DRAFT,
        "variants": (),
        "categories": ("x",),
        "tags": ("x",),
        "attributes": (),
        "brand": "x",
        "ean": ("12345678",),
        "image_media_ids": ("x",),
        "popularity": 1.0,
    }
    changed = [replace(CONTENT, **{name: value}).content_hash() for name, value in changes.items()]  # type: ignore[arg-type]
    assert len({CONTENT.content_hash(), *changed}) == len(changes) + 1


def test_the_default_variant_comes_first() -> None:
    """The marked variant moves to the front; the first one is marked when none is."""
    first = Variant("a", 1, "USD", is_default=False, stock=None)
    second = Variant("b", 1, "USD", is_default=True, stock=3)
    normal = in_normal_form(replace(CONTENT, variants=(first, second)))
    assert [(v.sku, v.is_default) for v in normal.variants] == [("b", True), ("a", False)]
    normal = in_normal_form(replace(CONTENT, variants=(first,)))
    assert [(v.sku, v.is_default) for v in normal.variants] == [("a", True)]
    assert in_normal_form(normal) == normal


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (CONTENT, []),
        (replace(CONTENT, name="a\0b", brand="\0"), ["name", "brand"]),
        (replace(CONTENT, product_id=".."), ["product_id"]),
        (replace(CONTENT, product_id="a\x85b"), ["product_id"]),
        (replace(CONTENT, product_id="a\xa0b"), ["product_id"]),
        (
            replace(CONTENT, attributes=(("a", "b"), ("c\0", "d\0"))),
            ["attributes[1].name", "attributes[1].value"],
        ),
        (replace(CONTENT, tags=("a", "\0"), categories=("\0",)), ["categories[0]", "tags[1]"]),
        (
            replace(CONTENT, variants=(CONTENT.variants[0], CONTENT.variants[0])),
            ["variants[1].sku", "variants[1].is_default"],
        ),
    ],
)
def test_broken_rules_name_their_fields(content: ProductContent, fields: list[str]) -> None:
    """Each broken rule comes with the path of its field."""
    assert [field for field, _ in broken_rules(ProductUpsert(content, None, None))] == fields


def test_a_version_leaves_room_to_count_on() -> None:
    """Without a version the next content becomes the stored one + 1, which has to fit into the column."""
    assert not broken_rules(ProductUpsert(CONTENT, None, LARGEST_VERSION))
    assert [field for field, _ in broken_rules(ProductUpsert(CONTENT, None, 2**63 - 1))] == ["version"]
