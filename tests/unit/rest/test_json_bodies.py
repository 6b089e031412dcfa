"""How a JSON body becomes a message: the whole of it, or one of its fields."""

import gzip
from typing import Any

import pytest

from tests.unit.rest.probe import Probe

JSON = {"Content-Type": "application/json"}


class TestWholeBody:
    """`body: "*"`: everything but the path comes from the body."""

    async def test_a_path_variable_may_repeat_the_body_but_not_contradict_it(self, probe: Probe) -> None:
        for name in ("thingId", "thing_id"):
            same = await probe.ask("POST", "/v1/things/x", json={name: "x", "pageSize": 1})
            assert (same.status, same.json["thingId"], same.json["pageSize"]) == (200, "x", 1)
            for other in ("y", ""):
                await probe.refused("POST", "/v1/things/x", "thingId", json={name: other})
        null = await probe.ask("POST", "/v1/things/x", json={"thingId": None})
        assert null.json["thingId"] == "x"

    async def test_no_query_is_taken(self, probe: Probe) -> None:
        for query in ("pageSize", "thingId", "nothing"):
            await probe.refused("POST", f"/v1/things/x?{query}=1", query, json={})

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
        await probe.refused("POST", "/v1/things/x", field, data=text, headers=JSON)

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
        def coded(coding: str) -> dict[str, str]:
            return {**JSON, "Content-Encoding": coding}

        packed = gzip.compress(b'{"pageSize": 3}')
        answer = await probe.ask("POST", "/v1/things/x", data=packed, headers=coded("gzip"))
        assert answer.json["pageSize"] == 3
        await probe.refused("POST", "/v1/things/x", None, data=b"garbage", headers=coded("gzip"))
        unknown = await probe.ask("POST", "/v1/things/x", data=b"{}", headers=coded("snappy"))
        assert unknown.status == 415

    async def test_a_large_body_is_413(self, probe: Probe) -> None:
        answer = await probe.ask("POST", "/v1/things/x", data=b" " * (2 << 20), headers=JSON)

        assert (answer.status, answer.json["title"]) == (413, "Content Too Large")


async def test_a_body_where_none_is_mapped_is_refused(probe: Probe) -> None:
    async def chunks() -> Any:
        yield b"{}"

    await probe.refused("GET", "/v1/things/x", None, data=b"{}", headers=JSON)
    await probe.refused("DELETE", "/v1/things/x", None, data=b"{}", headers=JSON)
    await probe.refused("DELETE", "/v1/things/x", None, data=chunks())


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
        await probe.refused("PATCH", "/v1/things/x", None, data=b"null", headers=JSON)

    async def test_a_given_mask_is_kept(self, probe: Probe) -> None:
        for name in ("updateMask", "update_mask"):
            answer = await probe.ask("PATCH", f"/v1/things/x?{name}=someText,tags", json={"count": 3})
            assert answer.json["updateMask"] == "someText,tags"
        await probe.refused("PATCH", "/v1/things/x?updateMask=some_text", "updateMask", json={})

    async def test_errors_name_the_members_of_the_body(self, probe: Probe) -> None:
        await probe.refused("PATCH", "/v1/things/x", "deeper.count", json={"deeper": {"count": "x"}})
        await probe.refused("PATCH", "/v1/things/x", None, json=[])
        await probe.refused("PATCH", "/v1/things/x?thing.count=1", "thing.count", json={})

    async def test_a_path_variable_in_the_body_field_must_agree(self, probe: Probe) -> None:
        same = await probe.ask("PATCH", "/v1/nested/x", json={"someText": "x", "count": 2})
        assert same.json["thing"]["someText"] == "x"
        await probe.refused("PATCH", "/v1/nested/x", "thing.someText", json={"someText": "y"})

    async def test_an_empty_body_is_the_default_message(self, probe: Probe) -> None:
        assert (await probe.ask("PATCH", "/v1/things/x")).json["thing"]["count"] == 0

    async def test_a_body_may_be_a_list_or_a_scalar(self, probe: Probe) -> None:
        inners = [{"someText": "a", "count": 0, "tags": []}, {"someText": "", "count": 2, "tags": []}]

        assert (await probe.ask("POST", "/v1/inners", json=inners)).json == inners
        assert (await probe.ask("POST", "/v1/scalar", json="text")).json == "text"
        await probe.refused("POST", "/v1/inners", "[1].count", json=[{}, {"count": "x"}])
        await probe.refused("POST", "/v1/inners", None, json={})
        await probe.refused("POST", "/v1/scalar", None, json=1)
        assert (await probe.ask("POST", "/v1/inners?scalar=a", json=[])).status == 200
