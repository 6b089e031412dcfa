"""Names that a field may have in a contract and not in this process."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.message import Message

from edge.gateway.refusals import StartRefused


def refuse_reserved_names(services: Iterable[ServiceDescriptor]) -> None:
    """Raise `StartRefused` for a field that hides a method of its own message, such as `HasField`.

    Python's protobuf would then call the field's value. Names in lower_case, as protos should have, never do.
    """
    for message in _messages_of(services):
        for field in message.fields:
            if hasattr(Message, field.name):
                raise StartRefused(
                    f"{field.full_name}: Python's protobuf keeps the name {field.name} for itself; "
                    "leave out its services with --service"
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
