"""Thousands of generated messages and texts, both ways beside `google.protobuf.json_format`.

Equal where it is right; where it is lenient, `test_stricter_than_json_format` has the table.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters
from edge.rest.violations import InvalidValueError
from tests.unit.rest.mutations import mutated
from tests.unit.rest.private_pool import private_pool
from tests.unit.rest.random_messages import chance_of, random_message

TYPES = (
    *(
        f"millrace.kinds.v1.{name}"
        for name in ("Scalars", "Optionals", "Repeated", "Maps", "Tree", "Choices")
    ),
    *("millrace.kinds.v1.WellKnown", "millrace.kinds.v1.Names", "millrace.kinds.v1.Everything"),
    *("millrace.legacy.v1.Legacy", "millrace.modern.v1.Modern"),
)
MESSAGES_EACH = 300
# What json_format can write of one message: our own names and numbers, and the other spellings that are read.
SPELLINGS: tuple[dict[str, bool], ...] = (
    {},
    {"preserving_proto_field_name": True},
    {"use_integers_for_enums": True},
    {"always_print_fields_with_no_presence": True},
)


@pytest.fixture(scope="module")
def readers() -> JsonReaders:
    return JsonReaders(private_pool())


@pytest.fixture(scope="module")
def writers() -> JsonWriters:
    return JsonWriters(private_pool())


@pytest.mark.parametrize("name", TYPES)
def test_writing_agrees(writers: JsonWriters, name: str) -> None:
    """The same message makes the same JSON, to the digit and the default."""
    for seed in range(MESSAGES_EACH):
        message = random_message(chance_of(name, seed), name)

        written = json.loads(writers.render(message))

        assert spelled(written) == spelled(reference(message)), f"seed {seed}"


@pytest.mark.parametrize("name", TYPES)
def test_reading_agrees(readers: JsonReaders, name: str) -> None:
    """The same JSON makes the same message, to the byte, however names and enums are spelt."""
    for seed in range(MESSAGES_EACH):
        chance = chance_of(name, seed)
        message = random_message(chance, name)
        spelling = chance.choice(SPELLINGS)
        text = json_format.MessageToJson(
            message, descriptor_pool=private_pool(), indent=chance.choice([None, 2]), **spelling
        )

        found, expected = read(readers, text, message), parsed(text, message)

        assert is_same(found, expected), f"seed {seed}: {text}"


@pytest.mark.parametrize("name", TYPES)
def test_what_is_written_is_read_back(readers: JsonReaders, writers: JsonWriters, name: str) -> None:
    for seed in range(MESSAGES_EACH):
        message = random_message(chance_of(name, seed), name)

        read_back = read(readers, writers.render(message).decode(), message)

        assert is_same(read_back, message), f"seed {seed}"


@pytest.mark.parametrize("name", TYPES)
def test_a_mistaken_text_is_never_read_otherwise(readers: JsonReaders, name: str) -> None:
    """What is accepted here is accepted there and means the same: mistakes are refused, not reinterpreted."""
    verdicts: Counter[bool] = Counter()
    for seed in range(MESSAGES_EACH):
        chance = chance_of(name, seed)
        message = random_message(chance, name)
        good = json_format.MessageToJson(message, descriptor_pool=private_pool(), indent=None)
        for _ in range(3 if len(good) < 2_000 else 0):
            text = mutated(chance, good)
            found = accepted(readers, text, message)
            verdicts[found is not None] += 1
            assert found is None or is_same(found, parsed(text, message)), f"seed {seed}: {text}"
    assert min(verdicts[True], verdicts[False]) > MESSAGES_EACH // 5, "the texts decide too little"


@pytest.mark.parametrize("name", TYPES)
def test_wire_bytes_are_never_a_surprise(writers: JsonWriters, name: str) -> None:
    """Whatever a server's message holds, it is written or refused with a ValueError."""
    for seed in range(MESSAGES_EACH):
        chance = chance_of(name, seed)
        message = random_message(chance, name)
        wire = bytearray(message.SerializePartialToString())
        for _ in range(min(len(wire), chance.randrange(4))):
            wire[chance.randrange(len(wire))] = chance.randrange(256)
        try:
            received = type(message).FromString(bytes(wire))
        except DecodeError:
            continue
        try:
            written = writers.render(received)
        except ValueError:
            continue
        assert isinstance(json.loads(written), dict)


def reference(message: Message) -> Any:
    return json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True, descriptor_pool=private_pool()
    )


def spelled(tree: Any) -> Any:
    """JSON in a form that tells -0.0 from 0.0 and finds NaN equal to itself, but 1.0 no other than 1."""
    if isinstance(tree, dict):
        return {name: spelled(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [spelled(value) for value in tree]
    return repr(float(tree)) if type(tree) in {int, float} else tree


def read(readers: JsonReaders, text: str, like: Message) -> Message:
    message = type(like)()
    readers.parse(text.encode(), message)
    return message


def accepted(readers: JsonReaders, text: str, like: Message) -> Message | None:
    try:
        return read(readers, text, like)
    except InvalidValueError:
        return None


def parsed(text: str, like: Message) -> Message:
    return json_format.Parse(text, type(like)(), descriptor_pool=private_pool())


def is_same(one: Message, other: Message) -> bool:
    """Equal to the byte; but json_format packs the maps inside an `Any` in no certain order."""
    left, right = (message.SerializePartialToString(deterministic=True) for message in (one, other))
    return left == right or ("type_url" in str(one) and canonical(one) == canonical(other))


def canonical(message: Message) -> str:
    return json_format.MessageToJson(message, sort_keys=True, descriptor_pool=private_pool())
