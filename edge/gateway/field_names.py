"""Names that fields may have in a contract and not in this process, or not beside each other in JSON."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.empty_pb2 import Empty

from edge.gateway.refusals import StartRefused

_HOW_TO_GO_ON = "leave out its services with --service"


def refuse_unusable_names(services: Iterable[ServiceDescriptor]) -> None:
    """Raise `StartRefused` for names with which a message could not be read or written.

    A field that hides a method of its own message, such as `HasField`: Python's protobuf would then call the
    field's value. Names in lower_case, as protos should have, never do. Two fields of one JSON name, which
    old contracts may have: one would silently get the other's value.
    """
    for message in _messages_of(services):
        _refuse_reserved_names(message)
        _refuse_shared_json_names(message)


def _refuse_reserved_names(message: Descriptor) -> None:
    for field in message.fields:
        if hasattr(Empty, field.name):  # a generated class has methods beyond those of `Message`
            raise StartRefused(
                f"{field.full_name}: Python's protobuf keeps the name {field.name} for itself; "
                f"{_HOW_TO_GO_ON}"
            )


def _refuse_shared_json_names(message: Descriptor) -> None:
    known: dict[str, str] = {}
    for field in message.fields:
        other = known.setdefault(field.json_name, field.name)
        if other != field.name:
            raise StartRefused(
                f"{field.full_name}: {other} is called {field.json_name} in JSON, too; {_HOW_TO_GO_ON}"
            )


def _messages_of(services: Iterable[ServiceDescriptor]) -> list[Descriptor]:
    """Every message type that requests and answers are made of."""
    methods = [method for service in services for method in service.methods]
    waiting = [message for method in methods for message in (method.input_type, method.output_type)]
    found: dict[Descriptor, None] = {}
    while waiting:
        message = waiting.pop()
        if message not in found:
            found[message] = None
            waiting.extend(field.message_type for field in message.fields if field.message_type is not None)
    return list(found)
