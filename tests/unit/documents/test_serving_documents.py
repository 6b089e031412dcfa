"""How the OpenAPI document and its page are served: headers, caching, codings, methods."""

import gzip
import json
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from edge.bare_app import make_bare_app
from edge.documents import add_documents

DOCUMENT = json.dumps(
    {"openapi": "3.1.0", "info": {"title": "Mill & <Race>", "version": "7"}, "paths": {}, "x": "y" * 3000}
).encode()

Client = TestClient[Request, Application]


class Maker:
    """Makes the document, as often as asked; `failures` times it fails first."""

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0

    def __call__(self) -> bytes:
        self.calls += 1
        if self.calls <= self.failures:
            raise RuntimeError("not today")
        return DOCUMENT


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
async def subject(maker: Maker) -> AsyncIterator[Client]:
    app = make_bare_app()
    add_documents(app, maker)
    # Plain unless a test asks otherwise; codings are left as they came.
    async with TestClient(TestServer(app), auto_decompress=False, headers={"Accept-Encoding": ""}) as client:
        yield client


async def assets_of(client: Client) -> list[str]:
    page = await (await client.get("/api/docs")).text()
    return sorted(set(re.findall(r'"(docs/assets/[^"]+)"', page)))


async def test_the_document_is_served_as_it_is(subject: Client) -> None:
    """Byte for byte, as JSON, to be asked about again."""
    answer = await subject.get("/api/openapi.json")

    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert await answer.read() == DOCUMENT
    assert answer.headers["Cache-Control"] == "public, no-cache"


async def test_a_document_may_be_given_at_once() -> None:
    """Bytes instead of something that makes them."""
    app = make_bare_app()
    add_documents(app, DOCUMENT)
    async with TestClient(TestServer(app)) as client:
        assert await (await client.get("/api/openapi.json")).read() == DOCUMENT


async def test_the_document_is_made_once(subject: Client, maker: Maker) -> None:
    """When it is first needed, not before, and not again."""
    assert maker.calls == 0
    for path in ("/api/docs", "/api/openapi.json", "/api/docs"):
        assert (await subject.get(path)).status == 200

    assert maker.calls == 1


async def test_a_document_that_could_not_be_made_is_tried_again(subject: Client, maker: Maker) -> None:
    """One bad moment must not last until the next start."""
    maker.failures = 1

    assert (await subject.get("/api/openapi.json")).status == 500
    assert (await subject.get("/api/openapi.json")).status == 200


async def test_the_page_is_named_after_the_document(subject: Client) -> None:
    """What the title says stands in the page as text, never as markup."""
    page = await (await subject.get("/api/docs")).text()

    assert "<title>Mill &amp; &lt;Race&gt;</title>" in page
    assert "<Race>" not in page


async def test_the_page_allows_its_own_files_only(subject: Client) -> None:
    """No script or style in the page itself, no host but this one, no frame around it."""
    answer = await subject.get("/api/docs")
    policy = answer.headers["Content-Security-Policy"]
    page = await answer.text()

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<script>|<style|\son\w+=|style=", page)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)


async def test_every_asset_of_the_page_may_be_kept_for_ever(subject: Client) -> None:
    """Their names change with their content."""
    assets = await assets_of(subject)

    assert {re.sub(r"\.\w{16}\.", ".", asset) for asset in assets} == {
        f"docs/assets/{name}"
        for name in ("swagger-ui.js", "swagger-ui.css", "docs.js", "docs.css", "icon.svg")
    }
    for asset in assets:
        answer = await subject.get(f"/api/{asset}")
        assert answer.status == 200, asset
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_whoever_takes_gzip_gets_the_same_bytes_in_fewer(subject: Client) -> None:
    """And a cache in between is told that there are two forms, once."""
    for path in ["/api/openapi.json", "/api/docs", *(f"/api/{asset}" for asset in await assets_of(subject))]:
        plain = await subject.get(path)
        zipped = await subject.get(path, headers={"Accept-Encoding": "gzip, br"})

        assert "Content-Encoding" not in plain.headers
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await zipped.read()) == await plain.read()
        assert plain.headers.getall("Vary") == zipped.headers.getall("Vary") == ["Accept-Encoding"]


@pytest.mark.parametrize("refusal", ["gzip;q=0", "identity", "br", "gzip;q=0.1, identity"])
async def test_whoever_does_not_take_gzip_gets_plain_bytes(subject: Client, refusal: str) -> None:
    """A coding refused or liked less is not sent."""
    answer = await subject.get("/api/openapi.json", headers={"Accept-Encoding": refusal})

    assert "Content-Encoding" not in answer.headers
    assert await answer.read() == DOCUMENT


@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_who_has_it_is_not_sent_it_again(subject: Client, coding: str) -> None:
    """304 without a body, in either coding, with the same tag."""
    for path in ("/api/openapi.json", "/api/docs", f"/api/{(await assets_of(subject))[0]}"):
        tag = (await subject.get(path)).headers["ETag"]

        again = await subject.get(path, headers={"If-None-Match": f'"x", {tag}', "Accept-Encoding": coding})

        assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
        assert (await subject.get(path, headers={"If-None-Match": '"x"'})).status == 200


async def test_head_is_answered_like_get_without_a_body(subject: Client) -> None:
    """Status and length are those of GET."""
    for path in ("/api/openapi.json", "/api/docs"):
        got, head = await subject.get(path), await subject.head(path)

        assert (head.status, await head.read()) == (200, b"")
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


@pytest.mark.parametrize(
    "path", ["/api/openapi.json", "/api/docs", "/api/docs/", "/api/docs/assets/docs.css"]
)
async def test_what_can_only_be_read_says_so(subject: Client, path: str) -> None:
    """405 with `Allow` as a problem document; OPTIONS names the methods."""
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
        answer = await subject.request(method, path)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
        assert answer.content_type == "application/problem+json"
    options = await subject.options(path)
    assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_an_asset_of_another_version_is_404(subject: Client) -> None:
    """And neither is anything else that is no asset."""
    await subject.get("/api/docs")
    for name in ("docs.0000000000000000.css", "docs.css", "..%2Findex.html", "index.html", "%00"):
        assert (await subject.get(f"/api/docs/assets/{name}")).status == 404, name


async def test_a_trailing_slash_leads_to_the_page(subject: Client) -> None:
    """The page's addresses are relative to its one address."""
    answer = await subject.get("/api/docs/", allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (308, "../docs")
    assert (await subject.get("/api/docs/")).url.path == "/api/docs"
