"""proto3 JSON into messages: every kind of field, what each accepts, and how a refusal names the field."""

import json
import math
from typing import Any

import pytest
from google.protobuf import json_format

from edge.rest.json_reader import JsonReaders
from edge.rest.violations import InvalidValueError
from tests.unit.rest.probe import message

INTEGERS = {
    "anInt32": (-(2**31), 2**31 - 1),
    "anInt64": (-(2**63), 2**63 - 1),
    "aUint32": (0, 2**32 - 1),
    "aUint64": (0, 2**64 - 1),
    "aSint32": (-(2**31), 2**31 - 1),
    "aSint64": (-(2**63), 2**63 - 1),
    "aFixed32": (0, 2**32 - 1),
    "aFixed64": (0, 2**64 - 1),
    "aSfixed32": (-(2**31), 2**31 - 1),
    "aSfixed64": (-(2**63), 2**63 - 1),
}


@pytest.fixture(scope="module")
def subject() -> JsonReaders:
    return JsonReaders()


def read(subject: JsonReaders, text: str) -> Any:
    everything = message("Everything")
    subject.parse(text.encode(), everything)
    return everything


def refusal(subject: JsonReaders, text: str) -> tuple[str, str]:
    with pytest.raises(InvalidValueError) as refused:
        read(subject, text)
    return refused.value.field, refused.value.message


ACCEPTED = [
    "{}",
    '{"anInt32": "12", "anInt64": "-9007199254740993"}',
    '{"an_int32": 1, "a_string": "x", "some_bytes": "AA=="}',
    '{"anInt32": 1.0, "aUint64": 1e3, "aSint32": -0}',
    '{"aDouble": 1, "aFloat": 0.1}',
    '{"aDouble": "1.5e3", "aFloat": "-2"}',
    '{"aDouble": "Infinity", "aFloat": "-Infinity"}',
    '{"aFloat": 3.4028234663852886e38}',
    '{"someBytes": "-_8", "bytesList": ["+/8=", "", "YQ", "YWI="]}',
    '{"colour": "RED", "colours": ["BLUE", 1, -2, 77]}',
    '{"colour": null, "aString": null, "inner": null, "strings": null, "textByText": null}',
    '{"inner": {"someText": "é", "deeper": {"tags": ["a", "b"]}}}',
    '{"inner": {}, "empty": {}}',
    '{"maybeString": "", "maybeInt64": "0", "maybeColour": "COLOUR_UNSPECIFIED"}',
    '{"int32s": [1, "2", 3.0], "int64s": ["1", 2], "bools": [true, false], "doubles": [1, 2.5, "NaN"]}',
    '{"strings": [], "inners": [{}, {"count": 2}]}',
    '{"textByText": {"": "", "a": "b"}, "innerByInt64": {"-1": {"count": 1}, "2": {}}}',
    '{"colourByBool": {"true": "RED", "false": 0}, "doubleByText": {"a": 1}, "bytesByUint32": {"7": "AA=="}}',
    '{"chosenText": "a"}',
    '{"chosenNumber": 0}',
    '{"chosenInner": {"count": 1}, "chosenText": null}',
    '{"chosenNull": null}',
    '{"timestamp": "2026-01-31T23:59:59.123456789Z", "timestamps": ["0001-01-01T00:00:00Z"]}',
    '{"timestamp": "2026-01-31T23:59:59.5+05:30"}',
    '{"timestamp": "9999-12-31T23:59:59.999999999Z"}',
    '{"timestamp": "1969-12-31T23:59:59.1-00:00"}',
    '{"duration": "-0.000000001s"}',
    '{"duration": "315576000000s"}',
    '{"fieldMask": "aB,c.dE"}',
    '{"fieldMask": ""}',
    '{"struct": {"a": 1, "b": [true, null, "x", {}], "c": {}}}',
    '{"value": null}',
    '{"value": {"a": [1]}, "values": [null, 1, "a", [], {}]}',
    '{"listValue": [1, [2]], "valueByText": {"a": null}}',
    '{"nullValue": null}',
    '{"doubleValue": 1.5, "floatValue": "NaN", "int64Value": "5", "uint64Value": 5, "int32Value": -1}',
    '{"uint32Value": 0, "boolValue": false, "stringValue": "", "bytesValue": "AA==", "int64Values": ["1"]}',
    '{"stringValue": null}',
    '{"any": {}}',
    '{"any": {"@type": "type.googleapis.com/millrace.probe.v1.Inner", "someText": "x", "count": 1}}',
    '{"any": {"someText": "x", "@type": "example.com/any/millrace.probe.v1.Inner"}}',
    '{"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}}',
    '{"any": {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "1"}}',
    '{"any": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": 1}}}',
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_good_json_reads_as_json_format_reads_it(subject: JsonReaders, text: str) -> None:
    """Where both accept, both mean the same."""
    expected = json_format.Parse(text, message("Everything"))

    # Compared as bytes because NaN is not equal to itself.
    found = read(subject, text)
    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[]", ""),
        ("null", ""),
        ("1", ""),
        ('"{}"', ""),
        ('{"nothing": 1}', "nothing"),
        ('{"inner": {"nothing": 1}}', "inner.nothing"),
        ('{"[millrace.probe.v1.ext]": 1}', "[millrace.probe.v1.ext]"),
        ('{"anInt32": 1, "an_int32": 1}', "anInt32"),
        ('{"an_int32": 1, "anInt32": 1}', "anInt32"),
        ('{"an_int32": "x"}', "anInt32"),
        ('{"anInt32": 1.5}', "anInt32"),
        ('{"anInt32": true}', "anInt32"),
        ('{"anInt32": []}', "anInt32"),
        ('{"anInt32": ""}', "anInt32"),
        ('{"anInt32": " 1"}', "anInt32"),
        ('{"anInt32": "1 "}', "anInt32"),
        ('{"anInt32": "+1"}', "anInt32"),
        ('{"anInt32": "1_000"}', "anInt32"),
        ('{"anInt32": "0x10"}', "anInt32"),
        ('{"anInt32": "1.0"}', "anInt32"),
        ('{"anInt32": "1e3"}', "anInt32"),
        ('{"anInt32": "\\u0661"}', "anInt32"),
        ('{"anInt64": 9007199254740993.0}', "anInt64"),
        ('{"anInt64": 1e30}', "anInt64"),
        ('{"anInt64": 123456789012345678901234567890}', "anInt64"),
        ('{"aDouble": true}', "aDouble"),
        ('{"aDouble": "nan"}', "aDouble"),
        ('{"aDouble": "inf"}', "aDouble"),
        ('{"aDouble": "+Infinity"}', "aDouble"),
        ('{"aDouble": "1."}', "aDouble"),
        ('{"aDouble": ".5"}', "aDouble"),
        ('{"aDouble": "1_0"}', "aDouble"),
        ('{"aDouble": " 1"}', "aDouble"),
        ('{"aDouble": "1e999"}', "aDouble"),
        ('{"aDouble": ""}', "aDouble"),
        ('{"aFloat": 3.5e38}', "aFloat"),
        ('{"aFloat": "-1e39"}', "aFloat"),
        ('{"aBool": "true"}', "aBool"),
        ('{"aBool": 1}', "aBool"),
        ('{"aString": 1}', "aString"),
        ('{"aString": ["x"]}', "aString"),
        ('{"someBytes": "A"}', "someBytes"),
        ('{"someBytes": "AA="}', "someBytes"),
        ('{"someBytes": "AAA=="}', "someBytes"),
        ('{"someBytes": "AA==="}', "someBytes"),
        ('{"someBytes": "A A="}', "someBytes"),
        ('{"someBytes": "AA==AA=="}', "someBytes"),
        ('{"someBytes": "AA\\n=="}', "someBytes"),
        ('{"someBytes": "*A=="}', "someBytes"),
        ('{"colour": "red"}', "colour"),
        ('{"colour": "1"}', "colour"),
        ('{"colour": true}', "colour"),
        ('{"colour": 1.5}', "colour"),
        ('{"colour": 2147483648}', "colour"),
        ('{"inner": []}', "inner"),
        ('{"inner": "x"}', "inner"),
        ('{"strings": "x"}', "strings"),
        ('{"strings": {"0": "x"}}', "strings"),
        ('{"strings": ["a", null]}', "strings[1]"),
        ('{"strings": ["a", 1]}', "strings[1]"),
        ('{"int32s": [1, 2147483648]}', "int32s[1]"),
        ('{"int32s": [1, true]}', "int32s[1]"),
        ('{"bools": [true, 1]}', "bools[1]"),
        ('{"inners": [{}, null]}', "inners[1]"),
        ('{"inners": [{}, {"tags": ["a", 2]}]}', "inners[1].tags[1]"),
        ('{"textByText": []}', "textByText"),
        ('{"textByText": {"a": 1}}', "textByText.a"),
        ('{"textByText": {"a": null}}', "textByText.a"),
        ('{"innerByInt64": {"a": {}}}', "innerByInt64.a"),
        ('{"innerByInt64": {"1": {}, "01": {}}}', "innerByInt64.01"),
        ('{"innerByInt64": {"1": null}}', "innerByInt64.1"),
        ('{"innerByInt64": {"1": {"count": "x"}}}', "innerByInt64.1.count"),
        ('{"colourByBool": {"1": "RED"}}', "colourByBool.1"),
        ('{"bytesByUint32": {"-1": ""}}', "bytesByUint32.-1"),
        ('{"chosenText": "a", "chosenNumber": 1}', "chosenNumber"),
        ('{"chosenInner": {}, "chosenNull": null}', "chosenNull"),
        ('{"timestamp": 1}', "timestamp"),
        ('{"timestamp": ""}', "timestamp"),
        ('{"timestamp": "2026-01-31"}', "timestamp"),
        ('{"timestamp": "2026-01-31T00:00:00"}', "timestamp"),
        ('{"timestamp": "2026-01-31t00:00:00Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T00:00:00z"}', "timestamp"),
        ('{"timestamp": "2026-01-31 00:00:00Z"}', "timestamp"),
        ('{"timestamp": "2026-02-30T00:00:00Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T24:00:00Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T23:59:60Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T00:00:00.Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T00:00:00.1234567890Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T00:00:00+24:00"}', "timestamp"),
        ('{"timestamp": "2026-01-31T00:00:00+0000"}', "timestamp"),
        ('{"timestamp": "0000-01-01T00:00:00Z"}', "timestamp"),
        ('{"timestamp": "0001-01-01T00:00:00+00:01"}', "timestamp"),
        ('{"timestamp": "9999-12-31T23:59:59-00:01"}', "timestamp"),
        ('{"timestamp": " 2026-01-31T00:00:00Z"}', "timestamp"),
        ('{"timestamps": ["2026-01-31T00:00:00Z", "x"]}', "timestamps[1]"),
        ('{"duration": "1"}', "duration"),
        ('{"duration": 1}', "duration"),
        ('{"duration": "s"}', "duration"),
        ('{"duration": ".5s"}', "duration"),
        ('{"duration": "1.s"}', "duration"),
        ('{"duration": "1_0s"}', "duration"),
        ('{"duration": "+1s"}', "duration"),
        ('{"duration": "1.0000000001s"}', "duration"),
        ('{"duration": "315576000000.1s"}', "duration"),
        ('{"duration": "-315576000001s"}', "duration"),
        ('{"fieldMask": "a_b"}', "fieldMask"),
        ('{"fieldMask": "a,,b"}', "fieldMask"),
        ('{"fieldMask": "a, b"}', "fieldMask"),
        ('{"fieldMask": ["a"]}', "fieldMask"),
        ('{"struct": []}', "struct"),
        ('{"listValue": {}}', "listValue"),
        ('{"doubleValue": {"value": 1}}', "doubleValue"),
        ('{"int64Values": ["1", null]}', "int64Values[1]"),
        ('{"any": []}', "any"),
        ('{"any": {"a": 1}}', "any.@type"),
        ('{"any": {"@type": 1}}', "any.@type"),
        ('{"any": {"@type": "millrace.probe.v1.Inner"}}', "any.@type"),
        ('{"any": {"@type": "x/no.such.Type"}}', "any.@type"),
        ('{"any": {"@type": "x/millrace.probe.v1.Inner", "nothing": 1}}', "any.nothing"),
        ('{"any": {"@type": "x/google.protobuf.Duration"}}', "any"),
        ('{"any": {"@type": "x/google.protobuf.Duration", "value": "1s", "more": 1}}', "any"),
        ('{"empty": {"a": 1}}', "empty.a"),
    ],
)
def test_bad_json_is_refused_by_the_name_of_its_field(subject: JsonReaders, text: str, field: str) -> None:
    """The path is the caller's own: lowerCamelCase names, brackets for places in a list."""
    assert refusal(subject, text)[0] == field


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_are_checked_to_the_last_one(subject: JsonReaders, name: str) -> None:
    low, high = INTEGERS[name]
    for number in (low, high):
        for spelled in (number, str(number)):
            text = json.dumps({name: spelled})
            assert read(subject, text) == json_format.Parse(text, message("Everything"))
    for number in (low - 1, high + 1):
        for spelled in (number, str(number)):
            assert refusal(subject, json.dumps({name: spelled}))[0] == name


def test_a_bare_nan_is_refused_and_a_quoted_one_read(subject: JsonReaders) -> None:
    assert math.isnan(read(subject, '{"aDouble": "NaN"}').a_double)
    assert refusal(subject, '{"aDouble": NaN}')[0] == ""


def test_the_largest_float_is_read_however_it_is_rounded(subject: JsonReaders) -> None:
    """Its shortest spelling lies above it; json_format refuses that."""
    largest = read(subject, '{"aFloat": 3.4028234663852886e38}').a_float

    assert read(subject, '{"aFloat": 3.4028235e38}').a_float == largest
    assert refusal(subject, '{"aFloat": 3.4028236e38}')[0] == "aFloat"


@pytest.mark.parametrize("member", ["value", "struct", "inner"])
def test_what_would_be_too_deep_on_the_wire_is_refused(subject: JsonReaders, member: str) -> None:
    """Messages have a nesting limit of their own, which free-form JSON reaches before its hundred levels."""
    key = "deeper" if member == "inner" else "a"
    text = f'{{"{member}":' + f'{{"{key}":' * 98 + "{}" + "}" * 99

    if member == "inner":
        read(subject, text)
    else:
        assert "too deep" in refusal(subject, text)[1]
