"""Requests through a running gateway to a running gRPC server: how path, query and body become a message."""

from typing import Any

import pytest

from tests.unit.rest.probe import Probe


@pytest.mark.parametrize(
    ("query", "member", "value"),
    [
        ("pageSize=7", "pageSize", 7),
        ("page_size=7", "pageSize", 7),
        ("pageSize=-2147483648", "pageSize", -(2**31)),
        ("tags=a&tags=b+c&tags=", "tags", ["a", "b c", ""]),
        ("tags=a%2Bb", "tags", ["a+b"]),
        ("inner.someText=x&inner.deeper.count=3", "inner", {
            "someText": "x", "count": 0, "tags": [], "deeper": {"someText": "", "count": 3, "tags": []},
        }),
        ("inner.some_text=x", "inner", {"someText": "x", "count": 0, "tags": []}),
        ("inner.tags=a&inner.tags=b", "inner", {"someText": "", "count": 0, "tags": ["a", "b"]}),
        ("inner.note=", "inner", {"someText": "", "count": 0, "tags": [], "note": ""}),
        ("colour=RED", "colour", "RED"),
        ("colour=-2", "colour", "BLUE"),
        ("colour=9", "colour", 9),
        ("since=2026-01-01T00%3A00%3A00Z", "since", "2026-01-01T00:00:00Z"),
        ("boxed=0", "boxed", 0),
        ("durations=1s&durations=0.5s", "durations", ["1s", "0.500s"]),
        ("flag=false", "flag", False),
        ("blob=-_8", "blob", "+/8="),
        ("ratio=1e3", "ratio", 1000.0),
        ("ratio=NaN", "ratio", "NaN"),
        ("left=", "left", ""),
    ],
)  # fmt: skip
async def test_query_parameters_fill_fields(probe: Probe, query: str, member: str, value: Any) -> None:
    answer = await probe.ask("GET", f"/v1/things/x?{query}")

    assert (answer.status, answer.json.get(member)) == (200, value)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("nothing=1", "nothing"),
        ("page_Size=1", "page_Size"),
        ("=1", None),
        ("inner.nothing=1", "inner.nothing"),
        ("inner=1", "inner"),
        ("inner.=1", "inner."),
        ("inner.deeper=1", "inner.deeper"),
        ("inners.count=1", "inners.count"),
        ("labels.a=1", "labels.a"),
        ("labels%5Ba%5D=1", "labels[a]"),
        ("struct.a=1", "struct.a"),
        ("struct=%7B%7D", "struct"),
        ("since.seconds=1", "since.seconds"),
        ("pageSize=1&pageSize=1", "pageSize"),
        ("pageSize=1&page_size=1", "page_size"),
        ("thingId=x", "thingId"),
        ("thing_id=x", "thing_id"),
        ("pageSize=", "pageSize"),
        ("pageSize", "pageSize"),
        ("pageSize=+1", "pageSize"),
        ("pageSize=%2B1", "pageSize"),
        ("pageSize=1_0", "pageSize"),
        ("pageSize=1.0", "pageSize"),
        ("pageSize=2147483648", "pageSize"),
        ("pageSize=%D9%A1", "pageSize"),
        ("colour=red", "colour"),
        ("flag=1", "flag"),
        ("flag=True", "flag"),
        ("flag", "flag"),
        ("blob=%3D", "blob"),
        ("ratio=nan", "ratio"),
        ("ratio=1e999", "ratio"),
        ("since=yesterday", "since"),
        ("boxed=x", "boxed"),
        ("left=a&right=b", "right"),
        ("tags=%FF", None),
        ("tags=%00", None),
    ],
)
async def test_a_wrong_query_parameter_is_named(probe: Probe, query: str, field: str | None) -> None:
    await probe.refused("GET", f"/v1/things/x?{query}", field)


async def test_at_most_256_query_parameters_are_taken(probe: Probe) -> None:
    assert (await probe.ask("GET", "/v1/things/x?" + "&".join(["tags=a"] * 256))).status == 200
    await probe.refused("GET", "/v1/things/x?" + "&".join(["tags=a"] * 257), None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/elsewhere", 404),
        ("GET", "/v1/things/", 404),
        ("GET", "/v1/things/x/", 404),
        ("GET", "/v1//things/x", 404),
        ("GET", "/V1/things", 404),
        ("OPTIONS", "/v1/elsewhere", 404),
        ("PUT", "/v1/things", 405),
        ("GET", "/v1/things/x:cancel", 405),
        ("GET", "/v1/things/..", 400),
        ("GET", "/v1/things/%2e%2e", 400),
        ("GET", "/v1/things/a%2F..%2Fb", 400),
        ("GET", "/v1/things/%00", 400),
        ("GET", "/v1/things/%0A", 400),
        ("GET", "/%0a", 400),
        ("GET", "/v1/things/%FF", 400),
        ("GET", "/v1/things/%zz", 400),
        ("GET", "/v1/files/a//b/", 200),
        ("GET", "/v1/files", 200),
        ("GET", "/v1/aliases/x", 200),
    ],
)
async def test_paths_are_taken_as_they_are(probe: Probe, method: str, path: str, status: int) -> None:
    """No forgiveness and no redirect."""
    answer = await probe.ask(method, path, allow_redirects=False)

    assert answer.status == status
    if status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert path.removeprefix("/v1/") not in answer.body.decode()


@pytest.mark.parametrize(
    ("path", "thing_id"),
    [
        ("/v1/things/a%2Fb", "a/b"),
        ("/v1/things/a+b%20c", "a+b c"),
        ("/v1/things/x%3Acancel", "x:cancel"),
        ("/v1/things/x:other", "x:other"),
        ("/v1/files/a%2Fb/c%20d", "a%2Fb/c d"),
        ("/v1/files/", ""),
    ],
)
async def test_captures_are_decoded_once(probe: Probe, path: str, thing_id: str) -> None:
    assert (await probe.ask("GET", path)).json["thingId"] == thing_id


async def test_nested_fields_are_bound_from_the_path(probe: Probe) -> None:
    answer = await probe.ask("GET", "/v1/nested/shelves/a%2Fb/7?thing.tags=t&dry=true")

    thing = {"someText": "shelves/a%2Fb", "count": 7, "tags": ["t"]}
    assert answer.json == {"thing": thing, "thingId": "", "dry": True}
    await probe.refused("GET", "/v1/nested/shelves/a/seven", "thing.count")
    await probe.refused("GET", "/v1/nested/shelves/a/7?thing.count=7", "thing.count")
