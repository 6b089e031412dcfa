"""JSON Schema in small pieces: which side a schema is for, and what can be said about any schema."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

Schema = dict[str, Any]


class Form(Enum):
    """Where a value stands. What is accepted is wider than what is answered: digits for a number, null."""

    OUTPUT = "output"
    INPUT = "input"
    # In a path or query, where everything is text and nothing is null.
    TEXT = "text"


def nullable(schema: Schema) -> Schema:
    """The schema, taking null too."""
    if "enum" in schema:
        widened = {**schema, "enum": [*schema["enum"], *([] if None in schema["enum"] else [None])]}
        return _with_null_type(widened) if "type" in schema else widened
    if "type" in schema and "const" not in schema:
        return _with_null_type(schema)
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema


def or_one_of(schema: Schema, values: Sequence[object]) -> Schema:
    """The schema, or exactly one of these values."""
    return {"anyOf": [schema, {"enum": list(values)}]}


def both(schema: Schema, other: Schema) -> Schema:
    """What both schemas demand; a keyword that both have goes into `allOf`."""
    clashing = {key: value for key, value in other.items() if key in schema and schema[key] != value}
    merged = {**schema, **{key: value for key, value in other.items() if key not in schema}}
    return {**merged, "allOf": [*schema.get("allOf", []), clashing]} if clashing else merged


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _with_null_type(schema: Schema) -> Schema:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return schema if "null" in kinds else {**schema, "type": [*kinds, "null"]}
