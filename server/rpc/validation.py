"""The rules that the contract declares on fields, applied to requests. Other rules live in the domains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Validator, Violation

from server.errors import FieldViolation, InvalidArgument


class ContractRules:
    """Checks messages against the buf.validate options of their protos."""

    def __init__(self) -> None:
        self._validator = Validator()

    def warm(self, services: Iterable[ServiceDescriptor]) -> None:
        """Compile the rules of every request type, which the first caller would otherwise wait for."""
        for service in services:
            for method in service.methods:
                self.violations_of(GetMessageClass(method.input_type)())

    def violations_of(self, message: Message) -> Sequence[FieldViolation]:
        """Every broken rule of a message, with proto field paths (`variants[0].sku`)."""
        return [_field_violation(found) for found in self._validator.collect_violations(message)]

    def check(self, request: Message) -> None:
        """Raise InvalidArgument with every violation of a request."""
        violations = self.violations_of(request)
        if violations:
            raise invalid_fields(violations)


def invalid_fields(violations: Sequence[FieldViolation]) -> InvalidArgument:
    """The refusal of a request whose fields break these rules."""
    first = violations[0]
    return InvalidArgument(
        f"Correct the field {first.field}: {first.message}." if first.field else f"{first.message}.",
        reason="INVALID_FIELD",
        fields=violations,
    )


def _field_violation(violation: Violation) -> FieldViolation:
    proto = violation.proto
    path = ""
    for element in proto.field.elements if proto.field is not None else ():
        path += f".{element.field_name}" if path else f"{element.field_name}"
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return FieldViolation(path, _words(proto.rule_id, proto.message))


def _words(rule_id: str, message: str) -> str:
    """The rule in words that can be shown: the validator's own would quote an unprintable character."""
    if rule_id == "string.not_contains" and "\0" in message:
        return "must not contain NUL characters"
    return message or "is not valid"
