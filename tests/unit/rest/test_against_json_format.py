"""Thousands of generated messages, both ways beside `google.protobuf.json_format`."""

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.rest.fields import WRAPPERS_FILE, is_map
from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters
from tests.unit.rest.probe import message, message_class, probe_file

READERS, WRITERS = JsonReaders(), JsonWriters()

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_free_form = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9) | _text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_text, inner, max_size=2),
    max_leaves=4,
)
_integers = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
}


def _well_known(name: str) -> st.SearchStrategy[Any] | None:
    """JSON values of a well-known type."""
    seconds = st.integers(-62_135_596_800, 253_402_300_799)
    nanos = st.sampled_from([0, 1, 1_000, 123_000, 1_000_000, 120_000_000, 999_999_999])
    return {
        "google.protobuf.Timestamp": st.builds(_timestamp, seconds, nanos),
        "google.protobuf.Duration": st.builds(_duration, st.integers(-(10**11), 10**11), nanos),
        "google.protobuf.FieldMask": st.lists(
            st.from_regex(r"[a-z]{1,3}(\.[a-z][A-Z])?", fullmatch=True)
        ).map(",".join),
        "google.protobuf.Struct": st.dictionaries(_text, _free_form, max_size=2),
        "google.protobuf.Value": _free_form,
        "google.protobuf.ListValue": st.lists(_free_form, max_size=2),
        "google.protobuf.Any": st.builds(
            lambda text: {"@type": "type.googleapis.com/millrace.probe.v1.Inner", "someText": text}, _text
        ),
    }.get(name)


def _timestamp(seconds: int, nanos: int) -> str:
    from google.protobuf.timestamp_pb2 import Timestamp

    return Timestamp(seconds=seconds, nanos=nanos).ToJsonString()


def _duration(seconds: int, nanos: int) -> str:
    from google.protobuf.duration_pb2 import Duration

    return Duration(seconds=seconds, nanos=-nanos if seconds < 0 else nanos).ToJsonString()


def _one(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """JSON values of one element of the field."""
    if field.message_type is not None:
        if field.message_type.file.name == WRAPPERS_FILE:
            return _one(field.message_type.fields_by_name["value"], depth)
        known = _well_known(field.message_type.full_name)
        return known if known is not None else json_objects(field.message_type, depth + 1)
    if field.enum_type is not None:
        if field.enum_type.full_name == "google.protobuf.NullValue":
            return st.none()
        return st.sampled_from([v.name for v in field.enum_type.values]) | st.integers(-(2**31), 2**31 - 1)
    return _scalar(field)


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """JSON values of a scalar, numbers in every spelling."""
    if field.cpp_type in _integers:
        numbers = _integers[field.cpp_type]
        return numbers | numbers.map(str)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text
    if field.type == FieldDescriptor.TYPE_BYTES:
        import base64

        return st.binary(max_size=5).map(lambda raw: base64.b64encode(raw).decode())
    # json_format refuses its own spelling of the largest 32-bit float.
    limit = 3.4e38 if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT else None
    floats = st.floats(limit and -limit, limit, allow_nan=False, allow_infinity=False)
    return floats | floats.map(repr) | st.sampled_from(["NaN", "Infinity", "-Infinity"])


def _map_entries(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    entry = field.message_type
    assert entry is not None
    key = entry.fields_by_name["key"]
    keys = (
        st.sampled_from(["true", "false"]) if key.type == FieldDescriptor.TYPE_BOOL else _one(key, 9).map(str)
    )
    return st.dictionaries(keys, _one(entry.fields_by_name["value"], depth), max_size=2)


@st.composite
def json_objects(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> dict[str, Any]:
    """A JSON object of some of the message's fields, under either name, at most one of a oneof."""
    fields = [f for f in descriptor.fields if depth < 3 or f.message_type is None]
    chosen: dict[str, Any] = {}
    oneofs: set[str] = set()
    for field in draw(st.lists(st.sampled_from(fields), max_size=6, unique=True)) if fields else []:
        oneof = field.containing_oneof
        if oneof is not None and oneof.name in oneofs:
            continue
        oneofs |= {oneof.name} if oneof is not None else set()
        if is_map(field):
            values = _map_entries(field, depth)
        elif field.is_repeated:
            values = st.lists(_one(field, depth), max_size=3)
        else:
            values = _one(field, depth)
        chosen[field.json_name if draw(st.booleans()) else field.name] = draw(values)
    return chosen


everything = st.deferred(lambda: json_objects(probe_file().message_types_by_name["Everything"]))
many = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(everything, st.booleans())
def test_reading_agrees(tree: dict[str, Any], ascii_only: bool) -> None:
    """The same JSON makes the same message, to the byte."""
    text = json.dumps(tree, ensure_ascii=ascii_only)
    expected = json_format.Parse(text, message("Everything"))

    found = message("Everything")
    READERS.parse(text.encode(), found)

    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


@many
@given(everything)
def test_writing_agrees_and_is_read_back(tree: dict[str, Any]) -> None:
    """The same message makes the same JSON, and that JSON the same message."""
    original = json_format.ParseDict(tree, message("Everything"))

    text = WRITERS.render(original)

    assert json.loads(text) == json_format.MessageToDict(original, always_print_fields_with_no_presence=True)
    read_back = message("Everything")
    READERS.parse(text, read_back)
    assert read_back.SerializeToString(deterministic=True) == original.SerializeToString(deterministic=True)


@many
@given(st.binary(max_size=40))
def test_wire_bytes_are_never_a_surprise(wire: bytes) -> None:
    """Whatever a server's message holds, it is written or refused with a ValueError."""
    from google.protobuf.message import DecodeError

    try:
        received = message_class("Everything").FromString(wire)
    except DecodeError:
        return
    try:
        written = json.loads(WRITERS.render(received))
    except ValueError:
        return
    assert isinstance(written, dict)
