"""Whatever comes in, the gateway answers: no 5xx, no waiting, a problem document, and no value repeated."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.rest.probe import Answer, Probe, probe_file

many = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
JSON = {"Content-Type": "application/json"}
# A value that nobody but the client would write.
MARKER = "zqMARKERqz"
ANSWERED_WITHIN_S = 5

_pieces = st.sampled_from([
    "v1", "things", "files", "nested", "shelves", "raw", "count", "tell", "echo", "free", "labels",
    "/", "//", ".", "..", ":", ":cancel", "%3A", "%2F", "%2e", "%00", "%FF", "%", "%zz", "+", "*", "{", "}",
    ";", "a", "%C3%A9", "~", "-", "_", "1", MARKER,
])  # fmt: skip
_paths = st.lists(_pieces, max_size=12).map("".join)
_names = st.sampled_from([
    "pageSize", "page_size", "tags", "inner.count", "inner.deeper.note", "inner", "inners", "labels.a",
    "since", "boxed", "flag", "blob", "ratio", "left", "right", "thingId", "colour", "durations", "struct",
    "nothing", "", "a+b", "%", "steps", "pageSize[]", "inner..count", ".", "$alt",
])  # fmt: skip
_query_values = st.sampled_from(
    [
        "",
        "1",
        "-1",
        "x",
        "true",
        "1e9",
        "%00",
        "%FF",
        "RED",
        "1s",
        "%7B%7D",
        MARKER,
        f"%20{MARKER}",
        "a=b",
        "+",
    ]
)
_queries = st.lists(st.tuples(_names, _query_values), max_size=8).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
_methods = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "SEARCH", "PROPFIND", "TRACE"]
)
_headers = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "Accept", "Authorization", "Accept-Language", "Traceparent", "Idempotency-Key"]
    ),
    st.sampled_from([
        MARKER, "application/json", "application/json; charset=utf-7", "text/event-stream",
        "text/event-stream;q=x", "*/*;q=0.5", "é", "a,b;c=d;q=1", ";", "multipart/form-data",
        "application/x-www-form-urlencoded", " ",
    ]),
    max_size=4,
)  # fmt: skip
_body_names = st.deferred(
    lambda: st.sampled_from(sorted(_field_names(probe_file().message_types_by_name["Everything"])))
)
_body_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(MARKER),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_body_names | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


def _field_names(descriptor: Descriptor) -> set[str]:
    return {field.json_name for field in descriptor.fields} | {"@type", "someText", "deeper", "tags", "value"}


def judge(answer: Answer, method: str = "") -> None:
    """What is true of every answer of a gateway whose service only echoes."""
    assert answer.status < 500, answer.body
    if answer.status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert MARKER.encode() not in answer.body
        if method != "HEAD":
            assert answer.json["status"] == answer.status
            assert answer.json["code"]


async def ask(probe: Probe, method: str, path: str, **options: Any) -> Answer:
    async with asyncio.timeout(ANSWERED_WITHIN_S):
        return await probe.ask(method, path, **options)


@many
@given(_methods, st.sampled_from(["/", "/v1/things/", "/v1/files/", "/v1/nested/shelves/"]), _paths, _queries)
async def test_any_path_and_query_is_answered(
    probe: Probe, method: str, prefix: str, rest: str, query: str
) -> None:
    judge(await ask(probe, method, f"{prefix}{rest}?{query}"), method)


@many
@given(_methods, _headers, st.sampled_from([b"", b"{}", b"{", MARKER.encode(), b"\xff", b'{"pageSize": 1}']))
async def test_any_headers_are_answered(
    probe: Probe, method: str, headers: dict[str, str], body: bytes
) -> None:
    paths = ("/v1/things/x", "/v1/raw", "/v1/count", "/v1/free/labels")
    for path in paths:
        judge(await ask(probe, method, path, headers=headers, data=body), method)


@many
@given(st.text(max_size=30), st.text(max_size=30))
async def test_any_text_in_the_target_is_answered(probe: Probe, path: str, query: str) -> None:
    """Percent-encoded, so that it gets past every parser before ours."""
    encoded = [quote(text, safe="/", errors="surrogatepass") for text in (path, query)]
    for target in (f"/v1/things/{encoded[0]}?{encoded[1]}", f"/{encoded[0]}?tags={encoded[1]}"):
        judge(await ask(probe, "GET", target))


@many
@given(st.dictionaries(_body_names, _body_values, max_size=5))
async def test_any_json_object_is_answered(probe: Probe, body: dict[str, Any]) -> None:
    """And what was taken is taken again as it was answered."""
    answer = await ask(probe, "POST", "/v1/echo", data=json.dumps(body), headers=JSON)

    judge(answer)
    assert answer.status in {200, 400}, answer.body
    if answer.status == 200:
        again = await ask(probe, "POST", "/v1/echo", data=answer.body, headers=JSON)
        assert (again.status, again.json) == (200, answer.json) or b"NaN" in answer.body


@many
@given(st.binary(max_size=60))
async def test_any_bytes_as_json_are_answered(probe: Probe, body: bytes) -> None:
    answer = await ask(probe, "POST", "/v1/echo", data=body, headers=JSON)

    judge(answer)
    assert answer.status == (400 if body else 200)


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", f"/v1/{MARKER}", {}),
        ("GET", f"/v1/things/{MARKER}%00", {}),
        ("GET", f"/v1/things/{MARKER}%", {}),
        ("GET", f"/v1/things/{MARKER}?pageSize={MARKER}", {}),
        ("GET", f"/v1/things/x?colour={MARKER}&flag={MARKER}&since={MARKER}&blob={MARKER}*", {}),
        ("GET", f"/v1/nested/shelves/a/{MARKER}", {}),
        ("PUT", f"/v1/things/{MARKER}", {}),
        ("POST", "/v1/things/x", {"json": {"pageSize": MARKER}}),
        ("POST", "/v1/things/x", {"json": {"thingId": MARKER}}),
        ("POST", "/v1/things/x", {"data": f'{{"pageSize": {MARKER}}}', "headers": JSON}),
        ("POST", "/v1/things/x", {"data": MARKER, "headers": {"Content-Type": f"text/{MARKER}"}}),
        ("POST", "/v1/things/x", {"data": b"{}", "headers": JSON | {"Content-Encoding": MARKER}}),
        ("POST", "/v1/echo", {"json": {"any": {"@type": MARKER}}}),
        ("POST", "/v1/echo", {"json": {"colour": MARKER, "timestamp": MARKER}}),
    ],
)
async def test_no_value_is_repeated(probe: Probe, method: str, path: str, options: dict[str, Any]) -> None:
    """Names of parameters and members are, where that helps the caller; what they hold is not."""
    answer = await ask(probe, method, path, **options)

    assert 400 <= answer.status < 500
    judge(answer)
    assert MARKER not in str(answer.headers)
