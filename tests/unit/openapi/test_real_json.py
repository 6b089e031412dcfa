"""JSON that the translator writes and reads, against the schemas that describe it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.app import SERVICES
from edge.openapi import make_document, millrace_document
from edge.rest.fields import is_map
from edge.rest.json_writer import JsonWriters
from tests.unit.openapi.agreement import validator_of
from tests.unit.openapi.contracts import image_of, message_classes
from tests.unit.rest.random_messages import chance_of, fill

EVERY_KIND = Path(__file__).with_name("every_kind.proto").read_text()
# The longest durations are taken and not promised.
LONGEST_PROMISED_S = 10**11

WRITERS = JsonWriters()


@cache
def every_kind() -> tuple[dict[str, Any], type[Any]]:
    image = image_of(EVERY_KIND)
    return make_document(image, title="Test", version="1"), message_classes(image)["Everything"]


def answered_types() -> list[Descriptor]:
    """What is answered as JSON: no bytes, nothing, and nothing that gRPC alone answers."""
    outputs = {
        method.output_type.full_name: method.output_type
        for service in SERVICES
        for method in service.methods
        if method.GetOptions().Extensions[annotations_pb2.http].WhichOneof("pattern")
    }
    return [found for name, found in outputs.items() if not name.endswith(("Empty", "HttpBody"))]


@pytest.mark.parametrize("descriptor", answered_types(), ids=lambda descriptor: descriptor.name)
def test_answers_of_millrace_fit_their_schemas(descriptor: Descriptor) -> None:
    """Whatever the content, from nothing set to everything set."""
    validator = validator_of(millrace_document(), {"$ref": f"#/components/schemas/{descriptor.name}"})
    message_class = message_factory.GetMessageClass(descriptor)
    for seed in range(60):
        message = message_class()
        fill(chance_of(descriptor.name, seed), message, 0)
        written = json.loads(WRITERS.render(_known(message)))
        _keep_narrowing_rules(written)
        validator.validate(written)
    validator.validate(json.loads(WRITERS.render(message_class())))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9))
def test_every_kind_of_field_fits_both_schemas(seed: int) -> None:
    """What the translator writes is what the answer's schema says, and may be sent back."""
    _, message_class = every_kind()
    message = message_class()
    fill(chance_of("every kind", seed), message, 0)
    written = json.loads(WRITERS.render(_known(message)))
    for component in ("Everything", "EverythingInput"):
        _validator(component).validate(written)


@cache
def _validator(component: str) -> Any:
    document, _ = every_kind()
    return validator_of(document, {"$ref": f"#/components/schemas/{component}"})


def _known(message: Any) -> Any:
    """The message with no enum number without a name, which schemas leave to newer servers, and no duration
    longer than promised.
    """
    if message.DESCRIPTOR.full_name == "google.protobuf.Duration":
        message.seconds %= LONGEST_PROMISED_S
        message.nanos = abs(message.nanos)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in _messages_in(field, value):
                _known(inner)
        if _enum_of(field) is not None:
            _name_all(field, value, message)
    return message


def _keep_narrowing_rules(part: Any) -> None:
    """Two rules bind answers too: a product's popularity is finite, and a commission has a type."""
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _keep_narrowing_rules(inner)
    if isinstance(part, dict) and isinstance(part.get("popularity"), str):
        part["popularity"] = 0
    if isinstance(part, dict) and part.get("type") == "TYPE_UNSPECIFIED":
        part["type"] = "FIXED"


def _messages_in(field: FieldDescriptor, value: Any) -> list[Any]:
    if is_map(field):
        held = field.message_type.fields_by_name["value"] if field.message_type is not None else None
        return list(value.values()) if held is not None and held.message_type is not None else []
    return list(value) if field.is_repeated else [value]


def _enum_of(field: FieldDescriptor) -> Any:
    if is_map(field) and field.message_type is not None:
        return field.message_type.fields_by_name["value"].enum_type
    return field.enum_type


def _name_all(field: FieldDescriptor, value: Any, message: Any) -> None:
    names = _enum_of(field).values_by_number
    if is_map(field):
        for key in list(value):
            value[key] = value[key] if value[key] in names else 0
    elif field.is_repeated:
        value[:] = [number if number in names else 0 for number in value]
    elif value not in names:
        setattr(message, field.name, 0)
