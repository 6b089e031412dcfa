"""JSON texts with one or two mistakes in them: members dropped, doubled, renamed, or of another type."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

# In place of any value: what looks like one of another type, and edges of ranges and spellings.
REPLACEMENTS = (
    *("null", "true", "false", "0", "-0", "1", "-1", "1.0", "-0.0", "1.5", "1e3", "1E-2", "0.1e1", "77"),
    *("2147483647", "2147483648", "4294967296", "9223372036854775808", "18446744073709551615", "1e19"),
    *("18446744073709551616", "9007199254740993.0", "3.4e38", "3.5e38", "1e308", "9" * 30, "9" * 400),
    *('""', '"0"', '"1"', '"-1"', '"01"', '"-0"', '"+1"', '" 1"', '"1 "', '"1_000"', '"1.0"', '"1e2"'),
    *('"NaN"', '"Infinity"', '"-Infinity"', '"nan"', '"inf"', '"1e999"', "NaN", "Infinity", '"0x1"'),
    *('"SMALL"', '"LITTLE"', '"small"', '"NULL_VALUE"', '"GOOD"', '"OPENED"', '"SOME"'),
    *('"AA=="', '"AA"', '"-_8="', '"A"', '"AA="', '"A A="', '"AB=="', '"-/8="', '"true"', '"null"'),
    *('"\\u0663"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"'),
    *('"2026-01-31T12:00:00Z"', '"2026-01-31T12:00:00.5+01:00"', '"2026-01-31T24:00:00Z"', '"2026-01-31"'),
    *('"2026-01-31t12:00:00z"', '"2026-01-31 12:00:00Z"', '"2026-W05-6T12:00:00Z"', '"0000-01-01T00:00:00Z"'),
    *('"9999-12-31T23:59:59.9999999999Z"', '"2026-01-31T12:00:00"', '"2026-1-31T12:00:00Z"'),
    *('"1s"', '"-1.5s"', '"1.0000000001s"', '"1"', '".5s"', '"-0.1s"', '"315576000001s"', '"s"', '"1 s"'),
    *('"a,bC"', '"a_b"', '"a,,b"', '"a b"', '"*"', "[]", "{}", "[null]", "[[]]", '[1, "a"]', '{"a": 1}'),
    *('{"": null}', '{"1": 1}', '{"true": {}}', '{"value": 1}', '{"seconds": 1}', '{"@type": 1}'),
    *('{"@type": "x/millrace.kinds.v1.Tree"}', '{"@type": "millrace.kinds.v1.Tree"}'),
    *('{"@type": "x/google.protobuf.Duration", "value": "1s"}', '{"@type": "x/no.such.Type"}'),
    *('{"@type": "x/google.protobuf.Empty"}', '{"@type": "x/google.protobuf.Empty", "value": {}}'),
    '{"@type": "x/google.protobuf.Int64Value", "value": null}',
)  # fmt: skip
NAMES = (
    "nothing",
    "value",
    "@type",
    "a_string",
    "aString",
    "AString",
    "text",
    "number",
    "1",
    "01",
    "-1",
    "true",
    "",
)


class Members(list[tuple[str, Any]]):
    """A JSON object whose names may repeat."""


class Spelled(str):
    """A JSON value as its text."""

    __slots__ = ()


def mutated(chance: random.Random, text: str) -> str:
    """The JSON object in `text` with one or two mistakes, which may happen to be none."""
    tree = json.loads(text, object_pairs_hook=Members)
    for _ in range(chance.choice([1, 1, 1, 2])):
        holders = list(_containers(tree))
        holder = chance.choice(holders)
        chance.choice(_MUTATIONS)(chance, holder)
    return spelled(tree)


def spelled(node: Any) -> str:
    """The JSON text of a tree, repeated names and all."""
    if isinstance(node, Spelled):
        return str(node)
    if isinstance(node, Members):
        return "{" + ", ".join(f"{json.dumps(name)}: {spelled(value)}" for name, value in node) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(spelled, node)) + "]"
    return json.dumps(node, ensure_ascii=False)


def _containers(node: Any) -> Iterator[list[Any]]:
    if isinstance(node, list):
        yield node
        for child in node:
            yield from _containers(child[1] if isinstance(node, Members) else child)


def _drop(chance: random.Random, holder: list[Any]) -> None:
    if holder:
        holder.pop(chance.randrange(len(holder)))


def _double(chance: random.Random, holder: list[Any]) -> None:
    if holder:
        holder.insert(chance.randrange(len(holder) + 1), chance.choice(holder))


def _rename(chance: random.Random, holder: list[Any]) -> None:
    if not isinstance(holder, Members) or not holder:
        return
    place = chance.randrange(len(holder))
    name, value = holder[place]
    others = [other for other, _ in holder]
    changed = chance.choice(
        [chance.choice(NAMES), chance.choice(others), _snake(name), name.upper(), f"0{name}"]
    )
    holder[place] = changed, value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _retype(chance: random.Random, holder: list[Any]) -> None:
    if not holder:
        return
    place, value = chance.randrange(len(holder)), Spelled(chance.choice(REPLACEMENTS))
    holder[place] = (holder[place][0], value) if isinstance(holder, Members) else value


def _add(chance: random.Random, holder: list[Any]) -> None:
    value = Spelled(chance.choice(REPLACEMENTS))
    holder.append((chance.choice(NAMES), value) if isinstance(holder, Members) else value)


_MUTATIONS: tuple[Callable[[random.Random, list[Any]], None], ...] = (
    _drop,
    _double,
    _rename,
    _retype,
    _retype,
    _retype,
    _add,
)
