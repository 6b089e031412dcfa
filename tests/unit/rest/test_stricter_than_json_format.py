"""Where `google.protobuf.json_format` guesses, the reader refuses: the table, held true from both sides."""

from __future__ import annotations

import pytest
from google.protobuf import json_format

from edge.rest.json_reader import JsonReaders
from edge.rest.violations import InvalidValueError
from tests.unit.rest.private_pool import message_class, private_pool

# By message: a text that json_format takes, and the field that is named in our refusal of it.
LENIENT: dict[str, list[tuple[str, str]]] = {
    "millrace.kinds.v1.Scalars": [
        ("[]", ""),
        ('""', ""),
        ('{"anInt32": 1, "an_int32": 2}', "anInt32"),
        ('{"anInt32": "1_000"}', "anInt32"),
        ('{"anInt32": "+1"}', "anInt32"),
        ('{"anInt32": "1\\n"}', "anInt32"),
        ('{"anInt32": "1.0"}', "anInt32"),
        ('{"anInt32": "1e3"}', "anInt32"),
        ('{"anInt32": "\\u0663"}', "anInt32"),
        # The digits sent are lost before anybody can look at them.
        ('{"anInt64": 9007199254740993.0}', "anInt64"),
        ('{"anInt64": 1e18}', "anInt64"),
        ('{"aDouble": true}', "aDouble"),
        ('{"aDouble": "1_0"}', "aDouble"),
        ('{"aDouble": " 1"}', "aDouble"),
        ('{"aDouble": "+1"}', "aDouble"),
        ('{"aDouble": "1."}', "aDouble"),
        ('{"aDouble": ".5"}', "aDouble"),
        ('{"aDouble": "inf"}', "aDouble"),
        ('{"aDouble": "infinity"}', "aDouble"),
        ('{"aDouble": "1e999"}', "aDouble"),
        ('{"aFloat": "3.5e38"}', "aFloat"),
        ('{"someBytes": "AA="}', "someBytes"),
        ('{"someBytes": "A A="}', "someBytes"),
        ('{"someBytes": "A*A="}', "someBytes"),
        ('{"someBytes": "AA==AA=="}', "someBytes"),
        ('{"someBytes": "AB=="}', "someBytes"),
        ('{"someBytes": "AAB="}', "someBytes"),
        ('{"someBytes": "-/8="}', "someBytes"),
        ('{"size": "1"}', "size"),
        ('{"size": "01"}', "size"),
        ('{"size": true}', "size"),
        ('{"size": 1.5}', "size"),
    ],
    "millrace.kinds.v1.Optionals": [('{"scalars": []}', "scalars"), ('{"scalars": ""}', "scalars")],
    "millrace.kinds.v1.Maps": [
        ('{"byInt32": {"1": 1, "01": 2}}', "byInt32.01"),
        ('{"byInt32": {"1_0": 1}}', "byInt32.1_0"),
    ],
    "millrace.kinds.v1.Choices": [
        ('{"text": "a", "value": null}', "value"),
        ('{"nothing": null, "text": "a"}', "text"),
    ],
    "millrace.kinds.v1.WellKnown": [
        ('{"timestamp": "2026-1-31T12:00:00Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T12:00:0Z"}', "timestamp"),
        ('{"timestamp": "\\uff12026-01-31T12:00:00Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T12:00:00.1_0Z"}', "timestamp"),
        ('{"timestamp": "2026-01-31T12:00:00.+01:00"}', "timestamp"),
        ('{"timestamp": "2026-01-31T12:00:00+1:00"}', "timestamp"),
        ('{"timestamp": "2026-01-31T12:00:00+99:99"}', "timestamp"),
        ('{"duration": "1_0s"}', "duration"),
        ('{"duration": " 1s"}', "duration"),
        ('{"duration": "1 s"}', "duration"),
        ('{"duration": "+1s"}', "duration"),
        ('{"duration": "1.s"}', "duration"),
        ('{"duration": "1.0000000001s"}', "duration"),
        ('{"duration": "315576000000.5s"}', "duration"),
        ('{"fieldMask": "a,,b"}', "fieldMask"),
        ('{"fieldMask": ","}', "fieldMask"),
        ('{"fieldMask": "a b"}', "fieldMask"),
        ('{"value": NaN}', ""),
        ('{"value": Infinity}', ""),
        ('{"value": 1e400}', ""),
        ('{"empty": []}', "empty"),
        ('{"int64Value": "1_0"}', "int64Value"),
        ('{"any": {"@type": "millrace.kinds.v1.Tree"}}', "any.@type"),
        ('{"any": {"@type": "x/google.protobuf.Duration", "value": "1s", "more": 1}}', "any"),
    ],
    # Extensions are written, and read by nobody.
    "millrace.legacy.v1.Legacy": [
        ('{"id": 1, "[millrace.legacy.v1.note]": "x"}', "[millrace.legacy.v1.note]")
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "field"), [(name, text, field) for name in LENIENT for text, field in LENIENT[name]]
)
def test_json_format_takes_it_and_we_do_not(name: str, text: str, field: str) -> None:
    """When json_format learns to refuse one of these, it no longer belongs here."""
    json_format.Parse(text, message_class(name)(), descriptor_pool=private_pool())

    with pytest.raises(InvalidValueError) as refused:
        JsonReaders(private_pool()).parse(text.encode(), message_class(name)())

    assert refused.value.field == field


def test_the_largest_float_as_it_is_written_is_read() -> None:
    """The one text that json_format writes and then refuses: rounded to float, it is the largest there is."""
    text, name = '{"aFloat": 3.4028235e+38}', "millrace.kinds.v1.Scalars"
    with pytest.raises(json_format.ParseError):
        json_format.Parse(text, message_class(name)())

    largest = message_class(name)()
    JsonReaders(private_pool()).parse(text.encode(), largest)

    assert largest.a_float == 3.4028234663852886e38
