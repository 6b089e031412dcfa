"""Requests through a running gateway to a running gRPC server: how path, query and body become a message."""

from typing import Any

import pytest

from tests.unit.rest.probe import Probe

JSON = {"Content-Type": "application/json"}


async def refused(probe: Probe, method: str, path: str, field: str | None, **options: Any) -> str:
    """The detail of a 400 that names the field."""
    answer = await probe.ask(method, path, **options)
    assert answer.status == 400, answer.body
    named = [error["field"] for error in answer.json.get("errors", [])]
    assert named == ([] if field is None else [field])
    return str(answer.json["detail"])


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
    await refused(probe, "GET", f"/v1/things/x?{query}", field)


async def test_at_most_256_query_parameters_are_taken(probe: Probe) -> None:
    assert (await probe.ask("GET", "/v1/things/x?" + "&".join(["tags=a"] * 256))).status == 200
    await refused(probe, "GET", "/v1/things/x?" + "&".join(["tags=a"] * 257), None)


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
    await refused(probe, "GET", "/v1/nested/shelves/a/seven", "thing.count")
    await refused(probe, "GET", "/v1/nested/shelves/a/7?thing.count=7", "thing.count")


class TestWholeBody:
    """`body: "*"`: everything but the path comes from the body."""

    async def test_a_path_variable_may_repeat_the_body_but_not_contradict_it(self, probe: Probe) -> None:
        for name in ("thingId", "thing_id"):
            same = await probe.ask("POST", "/v1/things/x", json={name: "x", "pageSize": 1})
            assert (same.status, same.json["thingId"], same.json["pageSize"]) == (200, "x", 1)
            for other in ("y", ""):
                await refused(probe, "POST", "/v1/things/x", "thingId", json={name: other})
        null = await probe.ask("POST", "/v1/things/x", json={"thingId": None})
        assert null.json["thingId"] == "x"

    async def test_no_query_is_taken(self, probe: Probe) -> None:
        for query in ("pageSize", "thingId", "nothing"):
            await refused(probe, "POST", f"/v1/things/x?{query}=1", query, json={})

    async def test_an_empty_body_is_the_default_message(self, probe: Probe) -> None:
        assert (await probe.ask("POST", "/v1/things/x")).json["thingId"] == "x"
        assert (await probe.ask("POST", "/v1/things/x:cancel", data=b"", headers=JSON)).status == 200

    @pytest.mark.parametrize(
        ("text", "field"),
        [
            (b'{"pageSize": 1, "pageSize": 1}', "pageSize"),
            (b'{"pageSize": 1, "page_size": 1}', "pageSize"),
            (b'{"nothing": 1}', "nothing"),
            (b'{"inner": {"count": "x"}}', "inner.count"),
            (b"[]", None),
            (b"null", None),
            (b'{"ratio": NaN}', None),
            (b'{"thingId": "\\ud800"}', None),
            (b"{", None),
            (b"\xff", None),
            (b'{"struct": ' + b'{"a":' * 101 + b"1" + b"}" * 102, None),
            (b'{"struct": ' + b'{"a":' * 60 + b"1" + b"}" * 61, None),
        ],
    )
    async def test_bad_json_is_refused(self, probe: Probe, text: bytes, field: str | None) -> None:
        await refused(probe, "POST", "/v1/things/x", field, data=text, headers=JSON)

    @pytest.mark.parametrize(
        "media_type",
        ["text/plain", "application/x-www-form-urlencoded", "application/xml",
         "application/json; charset=latin1",
         "multipart/form-data; boundary=x", "application/jsonp", "garbage"],
    )  # fmt: skip
    async def test_other_content_types_are_415(self, probe: Probe, media_type: str) -> None:
        answer = await probe.ask("POST", "/v1/things/x", data=b"{}", headers={"Content-Type": media_type})

        assert (answer.status, answer.headers["Accept"]) == (415, "application/json")

    @pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=UTF-8"])
    async def test_json_in_utf8_is_taken(self, probe: Probe, media_type: str) -> None:
        answer = await probe.ask("POST", "/v1/things/x", data=b"{}", headers={"Content-Type": media_type})

        assert answer.status == 200

    async def test_codings_are_undone_or_refused(self, probe: Probe) -> None:
        import gzip

        def coded(coding: str) -> dict[str, str]:
            return {**JSON, "Content-Encoding": coding}

        packed = gzip.compress(b'{"pageSize": 3}')
        answer = await probe.ask("POST", "/v1/things/x", data=packed, headers=coded("gzip"))
        assert answer.json["pageSize"] == 3
        await refused(probe, "POST", "/v1/things/x", None, data=b"garbage", headers=coded("gzip"))
        unknown = await probe.ask("POST", "/v1/things/x", data=b"{}", headers=coded("snappy"))
        assert unknown.status == 415

    async def test_a_large_body_is_413(self, probe: Probe) -> None:
        answer = await probe.ask("POST", "/v1/things/x", data=b" " * (2 << 20), headers=JSON)

        assert (answer.status, answer.json["title"]) == (413, "Content Too Large")


async def test_a_body_where_none_is_mapped_is_refused(probe: Probe) -> None:
    async def chunks() -> Any:
        yield b"{}"

    await refused(probe, "GET", "/v1/things/x", None, data=b"{}", headers=JSON)
    await refused(probe, "DELETE", "/v1/things/x", None, data=b"{}", headers=JSON)
    await refused(probe, "DELETE", "/v1/things/x", None, data=chunks())


class TestFieldBody:
    """`body: "thing"`: the body is one field, the rest comes from path and query."""

    @pytest.mark.parametrize(
        ("body", "mask"),
        [
            ({}, ""),
            ({"count": 3}, "count"),
            ({"some_text": "x", "note": None}, "someText,note"),
            ({"deeper": {"count": 1, "deeper": {}}, "tags": ["a"]}, "deeper.count,deeper.deeper,tags"),
            ({"deeper": None}, "deeper"),
        ],
    )
    async def test_a_missing_mask_is_filled_from_the_keys(self, probe: Probe, body: Any, mask: str) -> None:
        answer = await probe.ask("PATCH", "/v1/things/x?dry=true", json=body)

        assert (answer.status, answer.json.get("updateMask", ""), answer.json["dry"]) == (200, mask, True)

    @pytest.mark.parametrize("body", [{"a": "b"}, {"count": "c"}, {}])
    @pytest.mark.parametrize("field", ["labels", "struct"])
    async def test_keys_that_are_no_fields_fill_no_mask(
        self, probe: Probe, field: str, body: dict[str, str]
    ) -> None:
        """Those of a map or of free-form JSON are the caller's own."""
        answer = await probe.ask("PATCH", f"/v1/free/{field}", json=body)

        assert (answer.status, answer.json[field]) == (200, body)
        assert answer.json.get("updateMask", "") == ""

    async def test_only_patch_fills_a_mask(self, probe: Probe) -> None:
        answer = await probe.ask("PUT", "/v1/nested/x", json={"count": 2})

        assert "updateMask" not in answer.json

    async def test_an_empty_mask_is_as_none(self, probe: Probe) -> None:
        answer = await probe.ask("PATCH", "/v1/things/x?updateMask=", json={"count": 0})

        assert answer.json["updateMask"] == "count"

    async def test_null_is_no_body(self, probe: Probe) -> None:
        await refused(probe, "PATCH", "/v1/things/x", None, data=b"null", headers=JSON)

    async def test_a_given_mask_is_kept(self, probe: Probe) -> None:
        for name in ("updateMask", "update_mask"):
            answer = await probe.ask("PATCH", f"/v1/things/x?{name}=someText,tags", json={"count": 3})
            assert answer.json["updateMask"] == "someText,tags"
        await refused(probe, "PATCH", "/v1/things/x?updateMask=some_text", "updateMask", json={})

    async def test_errors_name_the_members_of_the_body(self, probe: Probe) -> None:
        await refused(probe, "PATCH", "/v1/things/x", "deeper.count", json={"deeper": {"count": "x"}})
        await refused(probe, "PATCH", "/v1/things/x", None, json=[])
        await refused(probe, "PATCH", "/v1/things/x?thing.count=1", "thing.count", json={})

    async def test_a_path_variable_in_the_body_field_must_agree(self, probe: Probe) -> None:
        same = await probe.ask("PATCH", "/v1/nested/x", json={"someText": "x", "count": 2})
        assert same.json["thing"]["someText"] == "x"
        await refused(probe, "PATCH", "/v1/nested/x", "thing.someText", json={"someText": "y"})

    async def test_an_empty_body_is_the_default_message(self, probe: Probe) -> None:
        assert (await probe.ask("PATCH", "/v1/things/x")).json["thing"]["count"] == 0

    async def test_a_body_may_be_a_list_or_a_scalar(self, probe: Probe) -> None:
        inners = [{"someText": "a", "count": 0, "tags": []}, {"someText": "", "count": 2, "tags": []}]

        assert (await probe.ask("POST", "/v1/inners", json=inners)).json == inners
        assert (await probe.ask("POST", "/v1/scalar", json="text")).json == "text"
        await refused(probe, "POST", "/v1/inners", "[1].count", json=[{}, {"count": "x"}])
        await refused(probe, "POST", "/v1/inners", None, json={})
        await refused(probe, "POST", "/v1/scalar", None, json=1)
        assert (await probe.ask("POST", "/v1/inners?scalar=a", json=[])).status == 200
