"""The bucket's door over a real S3 server: what other origins may do with it, and what nobody may."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from server.media.store import ObjectStore, PresignedPut
from server.standalone.backing import s3
from server.standalone.bucket_door.app import open_doors
from server.standalone.bucket_door.settings import DoorSettings

KEY = "product/kettle/0a8a7b34-0000-4000-8000-000000000001.jpg"
VARIANT = f"_variants/{'5e' * 32}/thumb-0123456789abcdef.webp"
BODY = b"\xff\xd8\xff a picture of a kettle"
PAGE = {"Origin": "https://shop.example"}


@dataclass
class Doors:
    """Both doors, the store behind them, and a browser in front."""

    uploads: str
    public: str
    store: ObjectStore
    browser: aiohttp.ClientSession

    async def presign(self, body: bytes = BODY, *, key: str = KEY) -> PresignedPut:
        return await self.store.presign_put(
            key,
            content_type="image/jpeg",
            size=len(body),
            sha256=hashlib.sha256(body).digest(),
            expires_seconds=60,
        )

    async def read(
        self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> aiohttp.ClientResponse:
        """The path goes out as it is written here."""
        url = URL(f"{self.public}/{path}", encoded=True)
        answer = await self.browser.request(method, url, headers=headers)
        await answer.read()
        return answer


@asynccontextmanager
async def running_doors(server: s3.ObjectStore, **changed: object) -> AsyncIterator[Doors]:
    options: dict[str, object] = {
        "s3_endpoint": server.endpoint,
        "s3_bucket": server.bucket,
        "s3_access_key": server.access_key,
        "s3_secret_key": server.secret_key,
        "s3_door_port": 0,
        "media_port": 0,
        **changed,
    }
    settings = DoorSettings.model_validate(options)
    async with open_doors(settings) as opened, aiohttp.ClientSession() as browser:
        uploads = f"http://127.0.0.1:{opened.upload_port}"
        store = ObjectStore(settings.model_copy(update={"s3_upload_endpoint": uploads}))
        try:
            yield Doors(uploads, f"http://127.0.0.1:{opened.public_port}", store, browser)
        finally:
            await store.close()


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[s3.ObjectStore]:
    async with s3.running_object_store(tmp_path_factory.mktemp("door")) as (server, _):
        yield server


@pytest.fixture(scope="module")
async def doors(server: s3.ObjectStore) -> AsyncIterator[Doors]:
    """Open to pages of every origin, with an original and a variant behind them."""
    async with running_doors(server) as doors:
        await doors.store.write(KEY, BODY, content_type="text/html")
        await doors.store.write(VARIANT, b"RIFF", content_type="image/webp")
        yield doors


def may_be_read(answer: aiohttp.ClientResponse) -> bool:
    return answer.headers.get("Access-Control-Allow-Origin") in {"*", PAGE["Origin"]}


async def test_a_page_uploads_as_browsers_do_it(doors: Doors) -> None:
    """Its browser asks first, naming the headers; the PUT goes through, and the page can read the ETag."""
    key = KEY.replace("1.jpg", "2.jpg")
    put = await doors.presign(key=key)
    asking = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,x-amz-checksum-sha256",
    }
    preflight = await doors.browser.options(put.url, headers={**PAGE, **asking})
    assert preflight.status == 204
    assert may_be_read(preflight)
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    allowed = preflight.headers["Access-Control-Allow-Headers"].split(", ")
    assert allowed == ["content-type", "x-amz-checksum-sha256"]
    sent = {"User-Agent": "Mozilla/5.0", "Referer": "https://shop.example/", "Sec-Fetch-Mode": "cors"}
    answer = await doors.browser.put(put.url, data=BODY, headers={**put.headers, **PAGE, **sent})
    assert answer.status == 200
    assert may_be_read(answer)
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert await doors.store.read(key, limit=100) == BODY


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("content-type,cookie,x-amz-meta-a,authorization", "content-type, x-amz-meta-a"),
        ("content-type\tx", ""),
        ("x-evil", ""),
    ],
)
async def test_only_headers_that_describe_an_upload_are_allowed(
    doors: Doors, asked: str, allowed: str
) -> None:
    """What else a page would like to send, its browser then does not."""
    asking = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": asked}
    preflight = await doors.browser.options(f"{doors.uploads}/media/{KEY}", headers={**PAGE, **asking})
    assert preflight.headers["Access-Control-Allow-Headers"] == allowed


@pytest.mark.parametrize("case", ["type", "longer", "shorter", "key", "chunked"])
async def test_refusals_come_through_and_can_be_read(doors: Doors, case: str) -> None:
    """They are the store's own; without the CORS headers a page could not tell why its upload failed."""
    key = KEY.replace("1.jpg", f"{case}.jpg")
    put = await doors.presign(key=key)
    url, body, headers = put.url, BODY, {**put.headers, **PAGE}
    if case == "type":
        headers["Content-Type"] = "text/html"
    elif case == "key":
        url = url.replace(".jpg", ".png")
    elif case in {"longer", "shorter"}:
        body = BODY + b"1" if case == "longer" else BODY[:-1]
    answer = await doors.browser.put(
        url, data=_in_pieces(body) if case == "chunked" else body, headers=headers
    )
    assert answer.status == 403
    assert may_be_read(answer)
    assert "<Code>" in await answer.text()
    assert [page async for page in doors.store.pages(prefix=key.removesuffix(".jpg"))] == []


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_a_refused_upload_is_not_sent_to_its_end(doors: Doors) -> None:
    """The store says no before it has seen twenty megabytes, and the browser gets to read that."""
    body = os.urandom(20_000_000)
    put = await doors.presign(body)
    answer = await doors.browser.put(put.url, data=body, headers={**put.headers, "Content-Type": "a/b"})
    assert answer.status == 403
    assert "<Code>" in await answer.text()


async def test_a_large_upload_passes_in_pieces(doors: Doors) -> None:
    """Byte for byte, both ways."""
    body = os.urandom(25 * 1024 * 1024)
    key = KEY.replace("1.jpg", "3.jpg")
    put = await doors.presign(body, key=key)
    assert (await doors.browser.put(put.url, data=body, headers=put.headers)).status == 200
    async with doors.browser.get(f"{doors.public}/{key}") as answer:
        assert hashlib.sha256(await answer.read()).digest() == hashlib.sha256(body).digest()


async def test_a_body_is_let_through_as_it_comes(doors: Doors) -> None:
    """Whatever coding it is said to have: the length of what is sent was signed."""
    put = await doors.presign(key=KEY.replace("1.jpg", "3.jpg"))
    said = {**put.headers, "Content-Encoding": "gzip"}
    assert (await doors.browser.put(put.url, data=BODY, headers=said)).status == 200


async def test_the_upload_door_shows_nothing_to_strangers(doors: Doors) -> None:
    """Neither an object nor a listing without a signature."""
    for path in (f"media/{KEY}", "media", ""):
        answer = await doors.browser.get(f"{doors.uploads}/{path}")
        assert answer.status in {400, 401, 403}
        assert BODY not in await answer.read()


async def test_only_named_origins_may_read_answers(server: s3.ObjectStore) -> None:
    """Where origins are named; a stranger's preflight is refused."""
    asking = {"Access-Control-Request-Method": "PUT"}
    async with running_doors(
        server, s3_upload_origins="https://shop.example/, https://admin.example"
    ) as doors:
        url = f"{doors.uploads}/media/{KEY}"
        known = await doors.browser.options(url, headers={**PAGE, **asking})
        assert known.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        assert known.headers["Vary"] == "Origin"
        stranger = {"Origin": "https://evil.example"}
        for answer in (
            await doors.browser.options(url, headers={**stranger, **asking}),
            await doors.browser.get(url, headers=stranger),
        ):
            assert answer.status in {400, 401, 403}
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_everybody_reads_a_picture(doors: Doors) -> None:
    """With the type that its name says, whatever the store believes, and usable on every page."""
    answer = await doors.read(KEY)
    assert (answer.status, await answer.read()) == (200, BODY)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    head = await doors.read(KEY, method="HEAD")
    assert (head.status, head.headers["Content-Length"], await head.read()) == (200, str(len(BODY)), b"")


async def test_a_variant_may_be_kept_for_ever(doors: Doors) -> None:
    """Nothing else is ever behind its address; a query makes no other picture of it."""
    for path in (VARIANT, f"{VARIANT}?v=2"):
        answer = await doors.read(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/webp")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_a_part_is_served(doors: Doors) -> None:
    """As a range of it; what lies behind its end is said to."""
    answer = await doors.read(KEY, {"Range": "bytes=4-5"})
    assert (answer.status, await answer.read()) == (206, BODY[4:6])
    assert answer.headers["Content-Range"] == f"bytes 4-5/{len(BODY)}"
    assert (await doors.read(KEY, {"Range": "bytes=1000-"})).status == 416


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=x", "pages=1-2", "bytes=-"])
async def test_what_is_no_single_part_is_answered_by_the_whole(doors: Doors, asked: str) -> None:
    """As RFC 9110 allows; some stores know no answer to it."""
    answer = await doors.read(KEY, {"Range": asked})
    assert (answer.status, await answer.read()) == (200, BODY)


async def test_what_the_caller_has_is_not_sent_again(doors: Doors) -> None:
    """By its tag, or by its date when no tag is named."""
    first = await doors.read(KEY)
    changed_at = parsedate_to_datetime(first.headers["Last-Modified"])
    earlier = format_datetime(changed_at - timedelta(seconds=1), usegmt=True)
    for headers, status in (
        ({"If-None-Match": first.headers["ETag"]}, 304),
        ({"If-None-Match": f'"another", W/{first.headers["ETag"]}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"another"'}, 200),
        ({"If-Modified-Since": first.headers["Last-Modified"]}, 304),
        ({"If-Modified-Since": earlier}, 200),
        ({"If-None-Match": '"another"', "If-Modified-Since": first.headers["Last-Modified"]}, 200),
    ):
        answer = await doors.read(KEY, headers)
        assert answer.status == status, headers
        assert await answer.read() == (b"" if status == 304 else BODY)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "media",
        "product/",
        "product/kettle/",
        "../s3.keys.json",
        "product/../../s3.keys.json",
        f"product/./{KEY.removeprefix('product/')}",
        f"product%2f{KEY.removeprefix('product/')}",
        f"product/%2e%2e/{KEY}",
        f"%2e%2e/media/{KEY}",
        f"x/..%5c{KEY}",
        f"/{KEY}",
        f"{KEY}%00.png",
        f"{KEY}%00",
        f"{KEY}/",
        KEY.replace(".jpg", ".JPG"),
        KEY.replace(".jpg", ".svg"),
        KEY.replace(".jpg", ".html"),
        KEY.removesuffix(".jpg"),
        KEY.replace("kettle", "kett%6ce"),
        KEY.replace("kettle", "kanne"),
        "?list-type=2",
        "product/?list-type=2&x=.jpg",
    ],
)
async def test_there_is_nothing_else_to_be_seen(doors: Doors, path: str) -> None:
    """No listing, no other file, no second way to write an address; and nothing is said of our inside."""
    answer = await doors.read(path)
    assert answer.status == 404
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await answer.json())["detail"] == "There is no picture here."


async def test_what_others_keep_in_the_bucket_is_not_shown(doors: Doors) -> None:
    """A picture whose key is none of ours is there, but not here."""
    await doors.store.write("backups/private.jpg", BODY, content_type="image/jpeg")
    assert (await doors.read("backups/private.jpg")).status == 404


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
async def test_pictures_are_only_read(doors: Doors, method: str) -> None:
    """Whatever else is asked is refused, and the picture stays."""
    answer = await doors.read(KEY, method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert (await doors.read(KEY)).status == 200


async def test_a_store_that_is_away_is_said_and_found_again(tmp_path: Path, unused_port: int) -> None:
    """Both doors answer 503 with when to come again, readable for pages; then they go on as before."""
    async with running_doors(s3.prepare(tmp_path, port=unused_port)) as doors:
        put = await doors.presign()
        refused = [
            await doors.browser.put(put.url, data=BODY, headers={**put.headers, **PAGE}),
            await doors.read(KEY),
        ]
        assert [answer.status for answer in refused] == [503, 503]
        assert all(may_be_read(answer) and int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert (await doors.read("readyz")).status == 503
        async with s3.running_object_store(tmp_path, port=unused_port):
            assert (await doors.read("readyz")).status == 200
            assert (await doors.browser.put(put.url, data=BODY, headers=put.headers)).status == 200
            assert (await doors.read(KEY)).status == 200


async def test_half_a_picture_is_not_taken_for_a_whole_one(server: s3.ObjectStore) -> None:
    """Where the store breaks off, the reader's connection does too."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(half, "127.0.0.1", 0) as broken:
        endpoint = f"http://127.0.0.1:{broken.sockets[0].getsockname()[1]}"
        async with running_doors(server, s3_endpoint=endpoint) as doors:
            async with asyncio.timeout(10):
                with pytest.raises(aiohttp.ClientPayloadError):
                    await doors.read(KEY)
