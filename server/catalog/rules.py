"""The rules on a product that the contract's field options cannot state. Pure: no database, no messages."""

from __future__ import annotations

from collections.abc import Iterator

from server.catalog.product import ProductContent, Variant

BrokenRule = tuple[str, str]


def broken_rules(content: ProductContent) -> list[BrokenRule]:
    """Pairs of field path and what the field must be; empty for a good product."""
    return [*_unstorable_texts(content), *_variant_rules(content.variants)]


def _variant_rules(variants: tuple[Variant, ...]) -> Iterator[BrokenRule]:
    seen: set[str] = set()
    default_seen = False
    for number, variant in enumerate(variants):
        if variant.sku in seen:
            yield f"variants[{number}].sku", "must be unique within the product"
        seen.add(variant.sku)
        if variant.is_default and default_seen:
            yield f"variants[{number}].is_default", "must be set for one variant at most"
        default_seen = default_seen or variant.is_default


def _unstorable_texts(content: ProductContent) -> Iterator[BrokenRule]:
    """PostgreSQL stores every character but NUL."""
    for path, text in _texts(content):
        if "\0" in text:
            yield path, "must not contain NUL characters"


def _texts(content: ProductContent) -> Iterator[tuple[str, str]]:
    yield "product_id", content.product_id
    yield "name", content.name
    yield "description", content.description
    yield "brand", content.brand
    yield from ((f"variants[{n}].sku", variant.sku) for n, variant in enumerate(content.variants))
    yield from ((f"categories[{n}]", text) for n, text in enumerate(content.categories))
    yield from ((f"tags[{n}]", text) for n, text in enumerate(content.tags))
    for n, (name, value) in enumerate(content.attributes):
        yield f"attributes[{n}].name", name
        yield f"attributes[{n}].value", value
