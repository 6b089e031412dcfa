"""Two judges of one JSON value: the document's schema, and the translator with the validator behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from protovalidate import Validator

from edge.openapi import make_document
from edge.rest.json_reader import JsonReaders
from edge.rest.violations import InvalidValueError
from tests.unit.openapi.contracts import message_classes

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Judges:
    """Both, for every message of a compiled contract."""

    document: dict[str, Any]
    classes: dict[str, Any]
    readers: JsonReaders
    rules: Validator
    validators: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, image: FileDescriptorSet) -> Judges:
        document = make_document(image, title="Test", version="1")
        return cls(document, message_classes(image), JsonReaders(), Validator())

    def schema_takes(self, component: str, value: object) -> bool:
        """Whether the value fits the component."""
        if component not in self.validators:
            schema = {"$ref": f"#/components/schemas/{component}"}
            self.validators[component] = validator_of(self.document, schema)
        return bool(self.validators[component].is_valid(value))

    def service_takes(self, message: str, value: object) -> bool:
        """Whether the value can be read into the message, and the message breaks no rule."""
        read = self.classes[message]()
        try:
            self.readers.parse(json.dumps(value).encode(), read)
        except InvalidValueError:
            return False
        return not self.rules.collect_violations(read)


def validator_of(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A validator of the schema, whose references lead into the document; formats are checked."""
    found: dict[str, Any] = {}
    _collect(document["components"]["schemas"], schema, found)
    whole = {"$schema": DIALECT, "components": {"schemas": found}, **schema}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _collect(schemas: dict[str, Any], part: object, found: dict[str, Any]) -> None:
    """The components that a schema refers to: compiling all of them takes long."""
    if isinstance(part, list):
        for item in part:
            _collect(schemas, item, found)
    if not isinstance(part, dict):
        return
    name = str(part.get("$ref", "")).rpartition("/")[2]
    if name and name not in found:
        found[name] = schemas[name]
        _collect(schemas, schemas[name], found)
    for item in part.values():
        _collect(schemas, item, found)
