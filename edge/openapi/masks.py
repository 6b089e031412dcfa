"""The mask of a partial update: which fields it may name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.openapi.comments import paragraphs
from edge.openapi.contract import Contract
from edge.openapi.field_facts import is_mutable
from edge.openapi.shapes import Schema
from edge.openapi.well_known import mask_schema
from edge.rest.fields import FIELD_MASK, is_map, is_plain_message
from edge.rest.routes import Route

_WHAT_UNSET_MEANS = re.compile(r"\s*Unset: [^.]*\.")


def lone_mask(route: Route) -> FieldDescriptor | None:
    """The one FieldMask of a PATCH whose body is a message: left out, it is what the body names."""
    if route.http_method != "PATCH" or route.body is None or route.body.message_type is None:
        return None
    masks = [
        field
        for field in route.rpc.input_type.fields
        if field.message_type is not None and field.message_type.full_name == FIELD_MASK
    ]
    return masks[0] if len(masks) == 1 and not masks[0].is_repeated else None


def describe_mask(contract: Contract, route: Route, mask: FieldDescriptor) -> tuple[str, Schema]:
    """In words and as a schema, what the mask of a partial update may name: fields separated by commas."""
    comment = contract.comment(mask.full_name)
    body = route.body
    if body is None or body.message_type is None:
        return comment, mask_schema()
    bound = {path.names[1:] for _, path in route.path_fields if path.names[0] == body.name}
    paths = list(_paths(contract, body.message_type, bound))
    # What the service makes of no mask, nobody meets here: the body's members are its mask then.
    words = paragraphs(
        _WHAT_UNSET_MEANS.sub("", comment),
        "Field names separated by commas. Unset: the fields that the body names.",
    )
    return words, mask_schema(paths)


def _paths(
    contract: Contract,
    message: Descriptor,
    bound: set[tuple[str, ...]],
    above: tuple[FieldDescriptor, ...] = (),
) -> Iterator[str]:
    """Proto paths of the fields that an update may change, each before those within it."""
    for field in message.fields:
        way = (*above, field)
        names = tuple(step.name for step in way)
        if names in bound or not is_mutable(contract, field):
            continue
        yield ".".join(names)
        inner = field.message_type
        enters = inner is not None and not field.is_repeated and not is_map(field) and is_plain_message(field)
        if enters and inner is not None and inner not in {message, *(step.message_type for step in above)}:
            yield from _paths(contract, inner, bound, way)
