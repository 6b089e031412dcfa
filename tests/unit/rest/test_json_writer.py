"""Messages as proto3 JSON: stable shapes, exact spellings."""

import base64
import json
from typing import Any

import pytest
from google.protobuf import any_pb2, json_format, timestamp_pb2

from edge.rest.json_writer import JsonWriters
from tests.unit.rest.private_pool import message_class, private_pool
from tests.unit.rest.probe import message
from tests.unit.rest.test_json_reader import ACCEPTED


@pytest.fixture(scope="module")
def subject() -> JsonWriters:
    return JsonWriters()


def reference(everything: Any) -> Any:
    return json_format.MessageToDict(everything, always_print_fields_with_no_presence=True)


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_message_is_written_as_json_format_writes_it(subject: JsonWriters, text: str) -> None:
    everything = json_format.Parse(text, message("Everything"))

    assert json.loads(subject.render(everything)) == reference(everything)


def test_members_stand_in_the_order_of_the_proto(subject: JsonWriters) -> None:
    everything = message("Everything", maybe_string="x", chosen_number=0)
    everything.timestamp.GetCurrentTime()
    names = [field.json_name for field in everything.DESCRIPTOR.fields]

    written = list(json.loads(subject.render(everything)))

    assert written == sorted(written, key=names.index)


def test_fields_without_presence_are_always_there_and_others_only_when_set(subject: JsonWriters) -> None:
    empty = json.loads(subject.render(message("Inner")))
    full = json.loads(subject.render(message("Inner", note="", deeper=message("Inner"))))

    assert empty == {"someText": "", "count": 0, "tags": []}
    assert full == {**empty, "note": "", "deeper": empty}


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0.1, 0.1), (1 / 3, 0.33333334), (16777216.0, 16777216.0), (3.4028234663852886e38, 3.4028235e38),
        (1e-45, 1.4013e-45), (float("inf"), "Infinity"), (float("-inf"), "-Infinity"), (float("nan"), "NaN"),
    ],
)  # fmt: skip
def test_a_float_is_written_as_short_as_it_can_be(subject: JsonWriters, number: float, written: Any) -> None:
    assert json.loads(subject.render(message("Everything", a_float=number)))["aFloat"] == written


def test_an_any_of_unknown_type_is_written_packed(subject: JsonWriters) -> None:
    """A newer server may answer with a type that this gateway has never heard of."""
    packed = any_pb2.Any(type_url="type.googleapis.com/no.such.Type", value=b"\x01")
    broken = any_pb2.Any(type_url="type.googleapis.com/millrace.probe.v1.Inner", value=b"\xff")

    assert json.loads(subject.render(packed)) == {"@type": packed.type_url, "value": "AQ=="}
    assert json.loads(subject.render(broken)) == {"@type": broken.type_url, "value": "/w=="}


def test_an_any_that_json_cannot_hold_is_written_packed(subject: JsonWriters) -> None:
    """A detail nobody can spell is no reason to lose the rest of the answer."""
    never = any_pb2.Any(type_url="type.googleapis.com/google.protobuf.Timestamp")
    never.value = timestamp_pb2.Timestamp(seconds=253402300800).SerializeToString()

    written = json.loads(subject.render(message("Everything", any=never, a_string="x")))

    assert written["any"] == {"@type": never.type_url, "value": base64.b64encode(never.value).decode()}
    assert written["aString"] == "x"


def test_any_within_any_is_written_however_deep(subject: JsonWriters) -> None:
    """A hostile server's thousand levels are an answer too, unpacked as far as the stack goes."""
    packed = any_pb2.Any(type_url="type.googleapis.com/no.such.Type")
    for _ in range(1_000):
        outer = any_pb2.Any()
        outer.Pack(packed)
        packed = outer

    assert subject.render(packed).startswith(b'{"@type":"type.googleapis.com/google.protobuf.Any","value":{')


def test_an_extension_is_written_under_its_bracketed_name() -> None:
    legacy = message_class("millrace.legacy.v1.Legacy")(id=1)
    pool = private_pool()
    legacy.Extensions[pool.FindExtensionByName("millrace.legacy.v1.note")] = "x"
    legacy.Extensions[pool.FindExtensionByName("millrace.legacy.v1.extra")].add(name="y")

    written = json.loads(JsonWriters(pool).render(legacy))

    assert written["[millrace.legacy.v1.note]"] == "x"
    assert written["[millrace.legacy.v1.extra]"] == [{"name": "y"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"timestamp": {"seconds": 253402300800}},
        {"timestamp": {"nanos": -1}},
        {"duration": {"seconds": 1, "nanos": -1}},
        {"duration": {"seconds": 315576000001}},
        {"field_mask": {"paths": ["a__b"]}},
        {"field_mask": {"paths": ["aB"]}},
        {"value": {"number_value": float("nan")}},
    ],
)
def test_what_json_cannot_hold_is_refused(subject: JsonWriters, wrong: dict[str, Any]) -> None:
    """Never a wrong answer: the gateway makes a 500 of it."""
    with pytest.raises(ValueError, match=r".+"):
        subject.render(message("Everything", **wrong))
