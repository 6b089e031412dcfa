"""The rules of `buf.validate`, read from options. What they mean in JSON is said elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.openapi.contract import Contract

_FIELD, _MESSAGE, _ONEOF = "buf.validate.field", "buf.validate.message", "buf.validate.oneof"
_IGNORE_IF_ZERO_VALUE, _IGNORE_ALWAYS = 1, 3
# The one form of a CEL rule that JSON Schema can say too.
_MATCHES = re.compile(
    r"\s*this\.matches\(\s*(r?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))\s*\)\s*", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class CelRule:
    """A rule as an expression; `message` says in words what it demands."""

    name: str
    message: str
    expression: str

    @property
    def pattern(self) -> str | None:
        """The regular expression, when matching one is all that the rule demands."""
        found = _MATCHES.fullmatch(self.expression)
        if not found:
            return None
        try:
            return str(ast.literal_eval(found[1]))
        except (SyntaxError, ValueError):
            return None

    def document(self) -> dict[str, str]:
        named = {"id": self.name, "message": self.message, "expression": self.expression}
        return {key: value for key, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a field, or of the elements, keys or values in it.

    `typed` holds those of the field's type (`StringRules` and its like), None when there are none.
    """

    required: bool = False
    ignores_zero: bool = False
    ignores_all: bool = False
    typed: Any | None = None
    cel: tuple[CelRule, ...] = ()

    def value(self, name: str) -> Any | None:
        """One rule of the type; None when it is not set. A rule that is a list is None when empty."""
        typed = self.typed
        if typed is None or name not in typed.DESCRIPTOR.fields_by_name:
            return None
        if typed.DESCRIPTOR.fields_by_name[name].is_repeated:
            return list(getattr(typed, name)) or None
        return getattr(typed, name) if typed.HasField(name) else None

    def inner(self, name: str) -> Rules:
        """The rules of a list's `items`, or of a map's `keys` or `values`."""
        typed = self.typed
        if typed is None or name not in typed.DESCRIPTOR.fields_by_name or not typed.HasField(name):
            return NO_RULES
        return _read(getattr(typed, name))

    def only_type(self) -> Rules:
        """The same without what concerns presence."""
        return replace(self, required=False, ignores_zero=False)


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Exclusive:
    """Fields of which a message takes one at most, or exactly one."""

    fields: tuple[str, ...]
    one_is_required: bool


def rules_of(contract: Contract, field: FieldDescriptor) -> Rules:
    found = contract.option(field, _FIELD)
    return _read(found) if found is not None else NO_RULES


def message_rules_of(contract: Contract, message: Descriptor) -> tuple[CelRule, ...]:
    found = contract.option(message, _MESSAGE)
    return _cel_rules(found) if found is not None else ()


def exclusive_fields_of(contract: Contract, message: Descriptor) -> list[Exclusive]:
    """The oneofs of a message, those that `optional` makes left out, and the ones that its rules name."""
    found = []
    for oneof in message.oneofs:
        names = tuple(field.name for field in oneof.fields)
        if len(names) == 1 and oneof.name.startswith("_"):
            continue
        rules = contract.option(oneof, _ONEOF)
        found.append(Exclusive(names, bool(rules is not None and rules.required)))
    ruled = contract.option(message, _MESSAGE)
    for rule in ruled.oneof if ruled is not None else ():
        found.append(Exclusive(tuple(rule.fields), rule.required))
    return found


def _read(found: Any) -> Rules:
    kind = found.WhichOneof("type")
    return Rules(
        required=found.required,
        ignores_zero=found.ignore == _IGNORE_IF_ZERO_VALUE,
        ignores_all=found.ignore == _IGNORE_ALWAYS,
        typed=getattr(found, kind) if kind else None,
        cel=_cel_rules(found),
    )


def _cel_rules(found: Any) -> tuple[CelRule, ...]:
    named = [CelRule(rule.id, rule.message, rule.expression) for rule in found.cel]
    bare: Sequence[str] = getattr(found, "cel_expression", ())
    return (*named, *(CelRule("", "", expression) for expression in bare))
