"""What the gateway answers with: whole messages, and `response_body` of every kind of field."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.api import http_pb2

from tests.unit.rest.probe import Probe, message, probe_file
from tests.unit.rest.routed import echoing, made_up_service

FIELDS = {field.json_name: field for field in probe_file().message_types_by_name["Everything"].fields}
INNER = {"someText": "x", "count": 0, "tags": []}

# A value of each field; answered alone it must be the same JSON.
VALUES: dict[str, Any] = {
    "anInt32": 7, "anInt64": "7", "aUint32": 7, "aUint64": "7", "aSint32": -7, "aSint64": "-7",
    "aFixed32": 7, "aFixed64": "7", "aSfixed32": -7, "aSfixed64": "-7",
    "aFloat": 0.1, "aDouble": "NaN", "aBool": True, "aString": "x", "someBytes": "AQI=", "colour": "RED",
    "inner": INNER, "maybeString": "", "maybeInt64": "0", "maybeColour": "COLOUR_UNSPECIFIED",
    "int32s": [1, 2], "int64s": ["1"], "doubles": [0.5, "Infinity"], "floats": [0.1], "bools": [True],
    "strings": ["a", ""], "bytesList": ["AQI="], "colours": ["RED", 9], "inners": [INNER],
    "textByText": {"a": "b"}, "innerByInt64": {"-1": INNER}, "colourByBool": {"true": "RED"},
    "doubleByText": {"a": "NaN"}, "bytesByUint32": {"1": "AQI="},
    "chosenText": "", "chosenNumber": 0, "chosenInner": INNER,
    "timestamp": "2026-01-01T00:00:00Z", "duration": "1.500s", "fieldMask": "aB,c",
    "struct": {"a": [1.0, None]}, "value": [True], "listValue": ["x", {}],
    "any": {"@type": "type.googleapis.com/millrace.probe.v1.Inner", **INNER}, "empty": {},
    "doubleValue": "-Infinity", "floatValue": 0.5, "int64Value": "0", "uint64Value": "7", "int32Value": 0,
    "uint32Value": 7, "boolValue": False, "stringValue": "", "bytesValue": "",
    "timestamps": ["2026-01-01T00:00:00Z"], "values": [None, 1.0], "int64Values": ["1"],
    "valueByText": {"a": None},
}  # fmt: skip
NULLS = ["chosenNull", "nullValue"]


@pytest.fixture(scope="module")
async def subject() -> AsyncIterator[Probe]:
    rules = {
        f"Get_{name}": http_pb2.HttpRule(post=f"/{name}", body="*", response_body=field.name)
        for name, field in FIELDS.items()
    }
    async with echoing([made_up_service(rules)]) as probe:
        yield probe


def test_every_field_is_tried() -> None:
    assert {*VALUES, *NULLS} == set(FIELDS)


@pytest.mark.parametrize(("name", "value"), VALUES.items())
async def test_a_field_is_the_whole_answer(subject: Probe, name: str, value: Any) -> None:
    answer = await subject.ask("POST", f"/{name}", json={name: value})

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == value


@pytest.mark.parametrize("name", [*VALUES, *NULLS])
async def test_an_unset_field_is_its_default_or_null(subject: Probe, name: str) -> None:
    """With presence there is a difference between nothing and the default, and nothing is made up."""
    field = FIELDS[name]
    whole = json.loads((await subject.ask("POST", "/empty", json={"empty": {}})).body)
    answer = await subject.ask("POST", f"/{name}", json={})

    assert whole == {}
    if field.has_presence or name in NULLS:
        assert answer.json is None
    else:
        assert answer.json in (0, "0", "", False, [], {}, "COLOUR_UNSPECIFIED")


async def test_a_whole_message_is_answered_with_its_defaults(probe: Probe) -> None:
    """Clients see one shape; fields with presence are there only when they are set."""
    empty = (await probe.ask("POST", "/v1/echo", json={})).json
    assert empty.keys() == {name for name, field in FIELDS.items() if not field.has_presence}

    everything = (await probe.ask("POST", "/v1/echo", json={"maybeString": "", "inner": {}})).json
    assert everything["maybeString"] == ""
    assert everything["inner"] == {"someText": "", "count": 0, "tags": []}


class TestUnknownAny:
    """An answer with a type from a newer server is still an answer."""

    @pytest.mark.parametrize(
        ("type_url", "value"),
        [
            ("type.googleapis.com/no.such.Type", b"\x01\x02"),
            ("no.such.Type", b"\x01"),
            ("type.googleapis.com/", b"\x01"),
            ("", b"\x01"),
            ("type.googleapis.com/millrace.probe.v1.Colour", b"\x08\x01"),
            ("type.googleapis.com/millrace.probe.v1.Inner", b"\xff\xff"),
            ("type.googleapis.com/google.protobuf.Timestamp", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
            ("type.googleapis.com/google.protobuf.FieldMask", b"\x0a\x02aB"),
        ],
    )
    async def test_it_is_answered_packed(self, type_url: str, value: bytes) -> None:
        """So is what is broken, or what JSON cannot hold: `@type` and the bytes in base64."""
        everything = message("Everything")
        everything.any.type_url, everything.any.value = type_url, value
        async with echoing([made_up_service({"Raw": http_pb2.HttpRule(get="/raw")})]) as probe:
            probe.server.answer = everything.SerializeToString()
            answer = await probe.ask("GET", "/raw")

        import base64

        assert answer.status == 200
        assert answer.json["any"] == {"@type": type_url, "value": base64.b64encode(value).decode()}

    async def test_any_in_any_in_any_is_answered(self) -> None:
        """Deeper than Python can follow: what is too deep stays packed."""
        everything, packed = message("Everything"), message("Everything").any
        for _ in range(3000):
            outer = type(packed)()
            outer.Pack(packed)
            packed = outer
        everything.any.CopyFrom(packed)
        async with echoing([made_up_service({"Raw": http_pb2.HttpRule(get="/raw")})]) as probe:
            probe.server.answer = everything.SerializeToString()
            answer = await probe.ask("GET", "/raw")

        assert answer.status == 200


@pytest.mark.parametrize(
    "wire",
    [
        b"\xff",
        b"\x72\x02\xff\xff",  # a string that is not UTF-8
        b"\x9a\x03\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # a timestamp beyond the year 9999
    ],
)
async def test_an_answer_that_cannot_be_shown_is_a_500_without_a_word(wire: bytes) -> None:
    async with echoing([made_up_service({"Raw": http_pb2.HttpRule(get="/raw")})]) as probe:
        probe.server.answer = wire
        answer = await probe.ask("GET", "/raw")

    assert (answer.status, answer.json["code"]) == (500, "INTERNAL")
    assert answer.json["detail"] == "The request could not be completed."
