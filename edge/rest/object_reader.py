"""Reads the JSON objects of one message type: which member is which field, none of them twice.

Reading a member's value is `field_readers`' work; this is only the way from names to fields.
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.rest.field_readers import KnownField, ValueReader
from edge.rest.fields import real_oneof
from edge.rest.violations import InvalidValueError


class ObjectReader:
    """Turns a JSON object into the constructor's arguments; fields are known by both their names."""

    __slots__ = ("_fields", "_json_names", "_oneofs")

    def __init__(self, descriptor: Descriptor) -> None:
        # By JSON name. Plain tuples, because unpacking a named one takes twice as long.
        self._fields: dict[str, tuple[type | None, str, ValueReader, tuple[type, ...]]] = {}
        # No name is one field's own and another's JSON name: a descriptor pool refuses that.
        self._json_names = {
            field.name: field.json_name for field in descriptor.fields if field.name != field.json_name
        }
        self._oneofs: dict[str, str] = {}  # the oneof of each proto name that is in one

    def learn(self, field: FieldDescriptor, known: KnownField) -> None:
        self._fields[field.json_name] = (known.plain, known.name, known.read, known.absent)
        oneof = real_oneof(field)
        if oneof is not None:
            self._oneofs[field.name] = oneof

    def __call__(self, tree: object) -> dict[str, object]:
        """Raises `InvalidValueError`, with the field's path in it."""
        if type(tree) is not dict:
            raise InvalidValueError("must be an object")
        arguments: dict[str, object] = {}
        fields = self._fields
        name = ""
        try:
            for name, value in tree.items():
                plain, field_name, read, absent = fields.get(name) or self._by_proto_name(name, tree)
                if type(value) is plain:
                    arguments[field_name] = value
                elif value or type(value) not in absent:
                    arguments[field_name] = read(value)
        except InvalidValueError as error:
            raise error.under(self._json_names.get(name, name)) from None
        if self._oneofs:
            self._refuse_two_of_one(arguments)
        return arguments

    def _by_proto_name(
        self, name: str, tree: dict[str, object]
    ) -> tuple[type | None, str, ValueReader, tuple[type, ...]]:
        json_name = self._json_names.get(name)
        if json_name is None:
            raise InvalidValueError("is not known here")
        if json_name in tree:
            raise InvalidValueError("is given under both its names")
        return self._fields[json_name]

    def _refuse_two_of_one(self, arguments: dict[str, object]) -> None:
        seen: set[str] = set()
        for name in arguments:
            oneof = self._oneofs.get(name)
            if oneof in seen:
                json_name = next(known for known, field in self._fields.items() if field[1] == name)
                raise InvalidValueError("excludes another field that is also given", json_name)
            if oneof is not None:
                seen.add(oneof)
