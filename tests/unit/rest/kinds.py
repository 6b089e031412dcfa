"""Every kind of field that one piece of text can spell: texts that it takes, and texts that it refuses."""

from __future__ import annotations

from typing import Any

_INT32 = (
    [("0", 0), ("-7", -7), ("2147483647", 2**31 - 1), ("-2147483648", -(2**31))],
    ["2147483648", "-2147483649"],
)
_INT64 = (
    [("0", "0"), ("-9223372036854775808", str(-(2**63))), ("9223372036854775807", str(2**63 - 1))],
    ["9223372036854775808", "-9223372036854775809"],
)
_UINT32 = ([("0", 0), ("4294967295", 2**32 - 1)], ["-1", "4294967296"])
_UINT64 = ([("0", "0"), ("18446744073709551615", str(2**64 - 1))], ["-1", "18446744073709551616"])
_NO_INTEGERS = [
    "",
    " 1",
    "1 ",
    "+1",
    "1_0",
    "1.0",
    "1e3",
    "0x1",
    "١",
    "\uff11",
    "one",
    "true",
    "null",
    "--1",
    "1" * 50,
]
_FLOATS = [
    ("1.5", 1.5),
    ("-0.25", -0.25),
    ("1e3", 1000.0),
    ("1E+2", 100.0),
    ("7", 7.0),
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
    ("-Infinity", "-Infinity"),
]
_NO_FLOATS = ["", "nan", "inf", "+1", "1.", ".5", "1_0", " 1", "1,5", "0x1p3", "1e999", "true", "١"]
_BOOLS = [("true", True), ("false", False)]
_NO_BOOLS = ["", "True", "TRUE", "1", "0", "yes", " true", "null"]
_STRINGS = [
    ("x", "x"),
    ("a b", "a b"),
    ("ünï", "ünï"),
    ("a/b", "a/b"),
    ("1", "1"),
    ("null", "null"),
    ("a:b", "a:b"),
]
_BYTES = [("AQI=", "AQI="), ("AQI", "AQI="), ("-_8=", "+/8="), ("+/8", "+/8=")]
_NO_BYTES = ["A", "=", "AQI==", "AQ=I", "A QI", "*", "AQI=AQI="]
_ENUM = [("RED", "RED"), ("1", "RED"), ("-2", "BLUE"), ("9", 9), ("0", "COLOUR_UNSPECIFIED")]
_NO_ENUM = ["", "red", "GREEN", "1.0", "2147483648", " RED", "COLOUR.RED"]

# Field of `Everything` in JSON: (text, its JSON value) pairs that it takes, texts that it refuses.
KINDS: dict[str, tuple[list[tuple[str, Any]], list[str]]] = {
    "anInt32": (_INT32[0], [*_INT32[1], *_NO_INTEGERS]),
    "aSint32": _INT32,
    "aSfixed32": _INT32,
    "anInt64": (_INT64[0], [*_INT64[1], *_NO_INTEGERS]),
    "aSint64": _INT64,
    "aSfixed64": _INT64,
    "aUint32": (_UINT32[0], [*_UINT32[1], *_NO_INTEGERS]),
    "aFixed32": _UINT32,
    "aUint64": (_UINT64[0], [*_UINT64[1], *_NO_INTEGERS]),
    "aFixed64": _UINT64,
    "aDouble": (_FLOATS, _NO_FLOATS),
    "aFloat": (_FLOATS, [*_NO_FLOATS, "3.5e38"]),
    "aBool": (_BOOLS, _NO_BOOLS),
    "aString": (_STRINGS, []),
    "someBytes": (_BYTES, _NO_BYTES),
    "colour": (_ENUM, _NO_ENUM),
    "maybeString": (_STRINGS, []),
    "maybeInt64": (_INT64[0], _NO_INTEGERS),
    "maybeColour": (_ENUM, _NO_ENUM),
    "chosenText": (_STRINGS, []),
    "chosenNumber": _INT32,
    "timestamp": (
        [("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
         ("2026-01-31T12:00:00.5+01:00", "2026-01-31T11:00:00.500Z")],
        ["", "now", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T12:00:00", "0"],
    ),
    "duration": ([("1.5s", "1.500s"), ("-3s", "-3s")], ["", "1", "1m", "1.5", "s", "1e3s", "1h0m0s"]),
    "fieldMask": ([("aB,c.d", "aB,c.d"), ("a", "a")], ["a_b", "a b", "a,", "*", "a..b"]),
    "doubleValue": (_FLOATS, _NO_FLOATS),
    "floatValue": (_FLOATS, _NO_FLOATS),
    "int64Value": _INT64,
    "uint64Value": _UINT64,
    "int32Value": _INT32,
    "uint32Value": _UINT32,
    "boolValue": (_BOOLS, _NO_BOOLS),
    "stringValue": (_STRINGS, []),
    "bytesValue": (_BYTES, _NO_BYTES),
}  # fmt: skip

# Repeated field: the singular one whose texts its elements take.
REPEATED = {
    "int32s": "anInt32", "int64s": "anInt64", "doubles": "aDouble", "floats": "aFloat", "bools": "aBool",
    "strings": "aString", "bytesList": "someBytes", "colours": "colour", "timestamps": "timestamp",
    "int64Values": "int64Value",
}  # fmt: skip

# No text can spell these.
NOT_TEXT = [
    "inner", "inners", "textByText", "innerByInt64", "struct", "value", "listValue", "any", "empty", "values",
    "chosenInner",
]  # fmt: skip

TAKEN = [(name, text, value) for name, (taken, _) in KINDS.items() for text, value in taken]
REFUSED = [(name, text) for name, (_, refused) in KINDS.items() for text in refused]
