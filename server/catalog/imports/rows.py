"""One flat row of an import file as a product. Limits of length and range are the server's to judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from millrace.catalog.v1 import product_pb2

Row = Mapping[str, Any]
Problem = tuple[str, str]

REQUIRED = ("id", "sku", "name", "price", "currency")
OPTIONAL = (
    "description",
    "brand",
    "status",
    "categories",
    "tags",
    "stock",
    "ean",
    "released_at",
    "attributes",
)
_INT64_MAX = 2**63 - 1
_STATUSES = ("ACTIVE", "DRAFT", "ARCHIVED")


class BadRow(Exception):  # noqa: N818 - named for what is so
    """A row that is no product; `problems` pairs each field with what it must be."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


class _BadValueError(ValueError):
    """What a value must be; `part` names the place inside a list or object."""

    def __init__(self, message: str, part: str = "") -> None:
        super().__init__(message)
        self.part = part


def product_of(row: Row) -> product_pb2.Product:
    """The product that a row describes. Raises BadRow with every problem that shows without the server."""
    problems: list[Problem] = [
        (name, "is not a field of a product row") for name in row if name not in _READERS
    ]
    product = product_pb2.Product(variants=[product_pb2.Variant()])
    for name, read in _READERS.items():
        value = row.get(name)
        if value is None:
            if name in REQUIRED:
                problems.append((name, "is required"))
            continue
        try:
            read(product, value)
        except _BadValueError as bad:
            problems.append((name + bad.part, str(bad)))
    if problems:
        raise BadRow(problems)
    return product


def column_of(field: str, product: product_pb2.Product) -> str:
    """The row's name for a field path that the server complains about."""
    if field == "product_id":
        return "id"
    if field.startswith("variants[0]."):
        return field.removeprefix("variants[0].")
    if field.startswith("attributes["):
        index = int(field[len("attributes[") : field.index("]")])
        return f"attributes.{product.attributes[index].name}"
    return field


def _text(value: object, part: str = "") -> str:
    if not isinstance(value, str):
        raise _BadValueError("must be text", part)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _BadValueError("must be valid UTF-8 without lone surrogates", part) from None
    return value


def _whole_number(value: object) -> int:
    # True is an int to Python, and not to anybody who writes a file.
    if isinstance(value, bool) or not isinstance(value, int):
        raise _BadValueError("must be a whole number")
    if not 0 <= value <= _INT64_MAX:
        raise _BadValueError(f"must be from 0 to {_INT64_MAX}")
    return value


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [_text(value)]
    if not isinstance(value, list):
        raise _BadValueError("must be a list of texts")
    return [_text(item, f"[{index}]") for index, item in enumerate(value)]


def _status(product: product_pb2.Product, value: object) -> None:
    name = _text(value).upper()
    if name not in _STATUSES:
        raise _BadValueError(f"must be one of {', '.join(_STATUSES)}")
    product.status = product_pb2.Product.Status.Value(name)


def _released_at(product: product_pb2.Product, value: object) -> None:
    try:
        instant = datetime.fromisoformat(_text(value))
        # Without a zone it is UTC, as everywhere in Millrace.
        zoned = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        product.released_at.FromDatetime(zoned.astimezone(UTC))
    except _BadValueError:
        raise
    except (ValueError, OverflowError):
        raise _BadValueError("must be an instant such as 2024-05-31T12:00:00Z") from None


def _attributes(product: product_pb2.Product, value: object) -> None:
    if not isinstance(value, dict):
        raise _BadValueError("must be an object of names and values")
    for name, given in value.items():
        if given is not None:
            text = _attribute_text(given, f".{name}")
            product.attributes.add(name=_text(name), value=text)


def _attribute_text(value: object, part: str) -> str:
    """Numbers as people write them: 6.0 becomes `6`, so that an attribute reads the same in every feed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _BadValueError("must be a finite number", part)
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(value, part)
    raise _BadValueError("must be text, a number, true or false", part)


def _set_text(name: str) -> Callable[[product_pb2.Product, object], None]:
    return lambda product, value: setattr(product, name, _text(value))


def _set_variant_text(name: str) -> Callable[[product_pb2.Product, object], None]:
    return lambda product, value: setattr(product.variants[0], name, _text(value))


def _set_variant_number(name: str) -> Callable[[product_pb2.Product, object], None]:
    return lambda product, value: setattr(product.variants[0], name, _whole_number(value))


def _set_texts(name: str) -> Callable[[product_pb2.Product, object], None]:
    return lambda product, value: getattr(product, name).extend(_texts(value))


_READERS: dict[str, Callable[[product_pb2.Product, object], None]] = {
    "id": _set_text("product_id"),
    "sku": _set_variant_text("sku"),
    "name": _set_text("name"),
    "description": _set_text("description"),
    "brand": _set_text("brand"),
    "price": _set_variant_number("price"),
    "currency": _set_variant_text("currency"),
    "status": _status,
    "categories": _set_texts("categories"),
    "tags": _set_texts("tags"),
    "stock": _set_variant_number("stock"),
    "ean": _set_texts("ean"),
    "released_at": _released_at,
    "attributes": _attributes,
}
