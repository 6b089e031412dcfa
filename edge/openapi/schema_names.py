"""Names of components: short where they are unique, the same whatever order things are asked in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import Descriptor, EnumDescriptor, MethodDescriptor

from edge.openapi.free_names import free_name
from edge.openapi.shapes import Form

_SEPARATOR = "."


class SchemaNames:
    """Names for the messages and enums that these methods can reach.

    An answer's schema has the message's name, a request's ends in `Input`, unless it is that of a message
    whose name ends in `Request` and which no method answers.
    """

    def __init__(self, methods: Iterable[MethodDescriptor]) -> None:
        answered: dict[str, Descriptor | EnumDescriptor] = {}
        asked: dict[str, Descriptor | EnumDescriptor] = {}
        for method in methods:
            _reach(method.output_type, answered)
            _reach(method.input_type, asked)
        self._answered = frozenset(answered)
        reached = asked | answered
        short = Counter(_short(found) for found in reached.values())
        self._names = {
            name: _short(found) if short[_short(found)] == 1 else _pascal(name)
            for name, found in sorted(reached.items())
        }
        self._taken = set(self._names.values())
        self._inputs: dict[tuple[str, bool], str] = {}

    def of(self, message: Descriptor, form: Form, *, checked: bool = True) -> str:
        name = self._names[message.full_name]
        if form is Form.OUTPUT:
            return name
        if checked and name.endswith("Request") and message.full_name not in self._answered:
            return name
        key = message.full_name, checked
        if key not in self._inputs:
            self._inputs[key] = self.free(f"{name}Input" if checked else f"{name}UncheckedInput")
        return self._inputs[key]

    def of_enum(self, enum: EnumDescriptor) -> str:
        return self._names.get(enum.full_name, enum.name)

    def take(self, *names: str) -> None:
        """Keeps names for schemas that are no messages."""
        for name, short in self._names.items():
            if short in names:
                self._names[name] = _pascal(name)
        self._taken = {*self._names.values(), *names}

    def free(self, name: str) -> str:
        """The name, with a number behind it when it is taken; taken from now on."""
        return free_name(name, self._taken)


def _reach(message: Descriptor, found: dict[str, Descriptor | EnumDescriptor]) -> None:
    if message.full_name in found:
        return
    found[message.full_name] = message
    for field in message.fields:
        if field.enum_type is not None:
            found[field.enum_type.full_name] = field.enum_type
        if field.message_type is not None:
            _reach(field.message_type, found)


def _short(found: Descriptor | EnumDescriptor) -> str:
    return "".join(_capitalised(part) for part in _nesting(found))


def _nesting(found: Descriptor | EnumDescriptor) -> Iterator[str]:
    """The names from the outermost message to this one."""
    if found.containing_type is not None:
        yield from _nesting(found.containing_type)
    yield found.name


def _pascal(full_name: str) -> str:
    return "".join(_capitalised(part) for part in full_name.split(_SEPARATOR))


def _capitalised(part: str) -> str:
    return part[:1].upper() + part[1:]
