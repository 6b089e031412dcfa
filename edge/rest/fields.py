"""Names and paths of fields in a message descriptor, as JSON callers and templates spell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

FIELD_MASK = "google.protobuf.FieldMask"
HTTP_BODY = "google.api.HttpBody"
TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
ANY = "google.protobuf.Any"

# By name and not by file: whoever compiles a contract may keep the well-known files elsewhere.
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
FREE_FORM = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})

# Messages that one piece of text can spell, so that they may stand in a path or a query.
_TEXT_MESSAGES = frozenset({TIMESTAMP, DURATION, FIELD_MASK})
_NOT_PLAIN = _TEXT_MESSAGES | _WRAPPERS | FREE_FORM | {ANY}


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A field reached from a message: the names of the messages on the way, then the field.

    `oneofs` has the oneof that each message on the way is a member of, None for no oneof.
    """

    parents: tuple[str, ...]
    leaf: FieldDescriptor
    oneofs: tuple[str | None, ...] = ()
    spelled: str = ""
    """As JSON callers write it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Proto names from the outermost field to the leaf."""
        return (*self.parents, self.leaf.name)

    @property
    def depth(self) -> int:
        """How many messages stand inside each other below the outermost one, once the field is set."""
        return len(self.parents) + (self.leaf.message_type is not None)


def descriptor_of(message: Message | type[Message]) -> Descriptor:
    """The message's descriptor, under the one of its two types that all code here uses."""
    return cast(Descriptor, message.DESCRIPTOR)


@cache
def fields_by_any_name(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Fields by JSON name and by proto name; shared, not to be changed."""
    by_name = {field.name: field for field in descriptor.fields}
    return by_name | {field.json_name: field for field in descriptor.fields}


def resolve_path(descriptor: Descriptor, names: Sequence[str]) -> FieldPath:
    """Follow names, JSON or proto, through singular messages. Raises LookupError for the first that fails."""
    parents: list[FieldDescriptor] = []
    current: Descriptor | None = descriptor
    for name in names[:-1]:
        field = _field(current, name)
        if field.is_repeated or not is_plain_message(field):
            raise LookupError(f"{name} has no fields that a path can name")
        parents.append(field)
        current = field.message_type
    leaf = _field(current, names[-1])
    return FieldPath(
        parents=tuple(parent.name for parent in parents),
        leaf=leaf,
        oneofs=tuple(real_oneof(parent) for parent in parents),
        spelled=".".join(field.json_name for field in (*parents, leaf)),
    )


def real_oneof(field: FieldDescriptor) -> str | None:
    """The name of the field's oneof; the one that the compiler makes for `optional` does not count."""
    oneof = field.containing_oneof
    if oneof is None or (len(oneof.fields) == 1 and oneof.name.startswith("_")):
        return None
    return oneof.name


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a `map<,>`."""
    entry = field.message_type
    return entry is not None and field.is_repeated and entry.GetOptions().map_entry


def is_plain_message(field: FieldDescriptor) -> bool:
    """Whether the field's type is a message whose JSON form is an object of its own fields."""
    return field.message_type is not None and field.message_type.full_name not in _NOT_PLAIN


def is_raw(field: FieldDescriptor) -> bool:
    """Whether the field is one `google.api.HttpBody`: bytes of any media type, where it is a whole body."""
    message = field.message_type
    return message is not None and message.full_name == HTTP_BODY and not field.is_repeated


def is_wrapper(descriptor: Descriptor) -> bool:
    """Whether this is one of the `google.protobuf.*Value` boxes around a scalar."""
    return descriptor.full_name in _WRAPPERS


def takes_text(field: FieldDescriptor) -> bool:
    """Whether one piece of text can spell a value of this field."""
    message = field.message_type
    return message is None or message.full_name in _TEXT_MESSAGES or is_wrapper(message)


def _field(descriptor: Descriptor | None, name: str) -> FieldDescriptor:
    field = fields_by_any_name(descriptor).get(name) if descriptor is not None else None
    if field is None:
        raise LookupError(f"there is no field {name}")
    return field
