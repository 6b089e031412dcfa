"""`google.api.HttpBody`: bytes of any media type, both ways."""

import base64
import gzip

import pytest
from google.api.httpbody_pb2 import HttpBody
from google.rpc.context.attribute_context_pb2 import AttributeContext

from tests.unit.rest.probe import Probe, running_probe

MEDIA_TYPES = [
    "image/png",
    "application/json",
    "text/csv; charset=utf-8",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/vnd.shop+json;profile=\"a b\"",
    "text/html;charset=latin1",
]  # fmt: skip


class TestIn:
    @pytest.mark.parametrize("media_type", MEDIA_TYPES)
    async def test_bytes_of_any_media_type_travel_as_they_are(self, probe: Probe, media_type: str) -> None:
        answer = await probe.ask("POST", "/v1/raw", data=b"\x00{\xff", headers={"Content-Type": media_type})

        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, media_type, b"\x00{\xff")

    async def test_an_empty_body_is_taken(self, probe: Probe) -> None:
        """With the media type that came along, if one did."""
        answer = await probe.ask("POST", "/v1/raw", data=b"", headers={"Content-Type": "text/csv"})
        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/csv", b"")

        bare = await probe.ask_raw("POST /v1/raw HTTP/1.1")
        assert bare.startswith(b"HTTP/1.1 200 ")
        assert b"Content-Type: application/octet-stream" in bare

    async def test_a_coding_is_undone(self, probe: Probe) -> None:
        headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
        answer = await probe.ask("POST", "/v1/raw", data=gzip.compress(b"a,b"), headers=headers)

        assert answer.body == b"a,b"

    async def test_a_field_may_be_raw_and_the_rest_bound(self, probe: Probe) -> None:
        answer = await probe.ask(
            "PUT", "/v1/raw-in-json/n%2F1?page=3", data=b"a,b", headers={"Content-Type": "text/csv"}
        )

        assert (answer.json["name"], answer.json["page"]) == ("n/1", 3)
        assert answer.json["file"] == {
            "contentType": "text/csv", "data": base64.b64encode(b"a,b").decode(), "extensions": [],
        }  # fmt: skip

    async def test_the_raw_field_is_not_for_the_query(self, probe: Probe) -> None:
        answer = await probe.ask("PUT", "/v1/raw/n?file.data=AQI=", data=b"a,b")

        assert answer.json["errors"] == [{"field": "file.data", "message": "must be in the body"}]

    async def test_a_list_of_them_is_json(self, probe: Probe) -> None:
        """A body is one thing; many things in it have to be told apart."""
        files = [{"contentType": "text/csv", "data": "AQI=", "extensions": []}]

        assert (await probe.ask("PUT", "/v1/raws", json=files)).json == files
        assert (await probe.ask("POST", "/v1/raws", json={"files": files})).json["files"] == files
        refused = await probe.ask("PUT", "/v1/raws", data=b"x", headers={"Content-Type": "text/csv"})
        assert refused.status == 415

    @pytest.mark.parametrize("body", [b"", b"x"])
    async def test_a_media_type_that_is_not_text_is_refused(self, probe: Probe, body: bytes) -> None:
        length = f"Content-Length: {len(body)}"
        answer = await probe.ask_raw("POST /v1/raw HTTP/1.1", "Content-Type: text/\xff", length, body=body)

        assert answer.startswith(b"HTTP/1.1 415 ")

    async def test_a_large_body_is_413(self, probe: Probe) -> None:
        answer = await probe.ask(
            "POST", "/v1/raw", data=b" " * (2 << 20), headers={"Content-Type": "text/csv"}
        )

        assert (answer.status, answer.json["code"]) == (413, "RESOURCE_EXHAUSTED")


class TestOut:
    @pytest.mark.parametrize("media_type", MEDIA_TYPES)
    async def test_the_service_names_the_media_type(self, media_type: str) -> None:
        async with running_probe() as probe:
            probe.server.answer = HttpBody(content_type=media_type, data=b"\x00").SerializeToString()
            answer = await probe.ask("POST", "/v1/raw")

        assert (answer.headers["Content-Type"], answer.body) == (media_type, b"\x00")

    @pytest.mark.parametrize(
        "media_type",
        ["", "not a type", "text", "text/", "/csv", "text/csv\r\nSet-Cookie: a=b", "text/csv\n", "text/é",
         "text/csv; charset", "text/csv;charset=\"a\"b\"", "text/csv, text/html"],
    )  # fmt: skip
    async def test_a_doubtful_one_becomes_a_safe_one(self, media_type: str) -> None:
        """It stands in a header: nothing but a media type may."""
        async with running_probe() as probe:
            probe.server.answer = HttpBody(content_type=media_type, data=b"x").SerializeToString()
            answer = await probe.ask("POST", "/v1/raw")

        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/octet-stream")
        assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize(
        ("told", "left"),
        [
            ('attachment; filename="a (1).csv"', 'attachment; filename="a (1).csv"'),
            ("inline", "inline"),
            ('attachment; filename="a.csv"\r\nSet-Cookie: a=b', None),
            ('attachment; filename="a"; filename="b"', None),
            ("", None),
        ],
    )
    async def test_the_service_names_the_file(self, told: str, left: str | None) -> None:
        """By an extension of headers; of these only this one leaves, and only if nothing else is in it."""
        body = HttpBody(content_type="text/csv", data=b"a,b")
        headers = {"content-disposition": told, "set-cookie": "a=b"}
        body.extensions.add().Pack(AttributeContext.Response(headers=headers))
        async with running_probe() as probe:
            probe.server.answer = body.SerializeToString()
            answer = await probe.ask("POST", "/v1/raw")

        assert (answer.status, answer.body) == (200, b"a,b")
        assert answer.headers.get("Content-Disposition") == left
        assert "Set-Cookie" not in answer.headers

    async def test_a_field_may_be_raw(self, probe: Probe) -> None:
        answer = await probe.ask("PUT", "/v1/raw/name", data=b"a,b", headers={"Content-Type": "text/csv"})

        assert (answer.headers["Content-Type"], answer.body) == ("text/csv", b"a,b")

    async def test_a_field_that_is_not_set_is_empty(self, probe: Probe) -> None:
        answer = await probe.ask("GET", "/v1/raw/name")

        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Type"] == "application/octet-stream"

    async def test_head_has_type_and_length(self) -> None:
        async with running_probe() as probe:
            files = HttpBody(content_type="text/csv", data=b"a,b")
            probe.server.answer = b"\x12" + bytes([files.ByteSize()]) + files.SerializeToString()
            answer = await probe.ask("HEAD", "/v1/raw/name")

        assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == ("text/csv", "3")
        assert answer.body == b""
