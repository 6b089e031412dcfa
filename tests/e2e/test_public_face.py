"""What a frontend developer finds at the door: documents, CORS, plain HTTP manners, readable refusals."""

import asyncio
import gzip
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.e2e.conftest import FRONTEND, Answer, Api
from tests.stack import Stack

DOCUMENT = "/api/openapi.json"
LINKS = "/api/v1/affiliate/links"
STRANGER = "https://stranger.example"


async def as_sent(stack: Stack, request: str) -> Answer:
    """One request just as it is written, on a connection of its own; `{host}` and `{partner}` are filled in.

    The body is JSON, or the text that it is.
    """
    door = urlsplit(stack["edge_url"])
    filled = request.replace("{host}", door.netloc).replace("{partner}", stack["partner_token"])
    reader, writer = await asyncio.open_connection(door.hostname, door.port)
    try:
        writer.write(filled.encode())
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.strip().split("\r\n")
            headers = {name.title(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
            has_body = not filled.startswith("HEAD ")
            body = await reader.readexactly(int(headers.get("Content-Length", "0")) if has_body else 0)
    finally:
        writer.close()
    is_json = body and "json" in headers.get("Content-Type", "")
    return Answer(int(status_line.split(" ")[1]), headers, json.loads(body) if is_json else body.decode())


def get(path: str, *headers: str, method: str = "GET", body: str = "") -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: {host}", *headers, "", body])


def post(path: str, body: str, *headers: str) -> str:
    credential = "Authorization: Bearer {partner}"
    return get(path, credential, f"Content-Length: {len(body)}", *headers, method="POST", body=body)


async def test_the_document_names_every_path_and_is_sent_once(nobody: Api) -> None:
    """Who has it already gets a 304 without a body, and the answer says how to ask again."""
    first = await nobody.get(DOCUMENT)
    again = await nobody.get(DOCUMENT, headers={"If-None-Match": first.headers["ETag"]})

    assert first.status == 200
    assert first.body["openapi"].startswith("3.1.")
    assert {LINKS, "/l/{code}", DOCUMENT} <= first.body["paths"].keys()
    assert (again.status, again.body) == (304, "")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "no-cache" in first.headers["Cache-Control"]


async def test_the_document_travels_compressed_to_who_accepts_it(nobody: Api, stack: Stack) -> None:
    """A fraction of its size, the same content, and caches are told that there are two forms."""
    async with (
        aiohttp.ClientSession(stack["edge_url"], auto_decompress=False) as session,
        session.get(DOCUMENT, headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        headers, zipped = answer.headers, await answer.read()
    plain = await nobody.get(DOCUMENT, headers={"Accept-Encoding": "identity"})

    assert headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in headers["Vary"]
    assert len(zipped) < int(plain.headers["Content-Length"]) / 4
    assert json.loads(gzip.decompress(zipped)) == plain.body


async def test_the_page_comes_from_here_alone(nobody: Api) -> None:
    """Its policy lets the browser load nothing from elsewhere and run nothing inline."""
    page = await nobody.get("/api/docs")

    policy = page.headers["Content-Security-Policy"]
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_a_preflight_from_the_frontend_is_answered(nobody: Api) -> None:
    """The browser learns that the frontend may send its token and read the answer."""
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = await nobody.call("OPTIONS", LINKS, headers={"Origin": FRONTEND, **wanted})

    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert {"authorization", "content-type"} <= {name.strip() for name in allowed.split(",")}
    assert "Origin" in preflight.headers["Vary"]


async def test_a_script_of_the_frontend_may_read_answers_and_refusals(nobody: Api, admin: Api) -> None:
    """Also the request id and when to come back; a stranger's script may read nothing."""
    read = await admin.get(LINKS, headers={"Origin": FRONTEND})
    refused = await nobody.get(LINKS, headers={"Origin": FRONTEND})
    stranger = await admin.get(LINKS, headers={"Origin": STRANGER})

    for answer in (read, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert (read.status, refused.status) == (200, 401)
    assert "Access-Control-Allow-Origin" not in stranger.headers


async def test_head_and_options_tell_about_a_path(admin: Api) -> None:
    """HEAD is GET without the body; OPTIONS says what the path answers."""
    whole = await admin.get("/api/v1/affiliate/program")
    head = await admin.call("HEAD", "/api/v1/affiliate/program")
    options = await admin.call("OPTIONS", LINKS)

    assert (head.status, head.body) == (200, None)
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert options.status == 204
    assert {"GET", "POST", "HEAD", "OPTIONS"} <= {
        name.strip() for name in options.headers["Allow"].split(",")
    }


@dataclass(frozen=True)
class Refused:
    """A request, and how it is refused."""

    request: str
    status: int
    code: str
    header: str | None = None


REFUSALS = {
    "no such path": Refused(get("/api/v1/nothing"), 404, "NOT_FOUND"),
    "no such path at all": Refused(get("/favicon.ico"), 404, "NOT_FOUND"),
    "no such link": Refused(get("/l/no-such-link", "Accept: application/json"), 404, "NOT_FOUND"),
    "no such file": Refused(get("/api/docs/assets/x.js"), 404, "NOT_FOUND"),
    "another method": Refused(get(LINKS, method="DELETE"), 405, "UNIMPLEMENTED", "Allow"),
    "another method on a link": Refused(get("/l/x", method="PUT"), 405, "UNIMPLEMENTED", "Allow"),
    "another method on health": Refused(get("/healthz", method="DELETE"), 405, "UNIMPLEMENTED", "Allow"),
    "another method on the document": Refused(get(DOCUMENT, method="DELETE"), 405, "UNIMPLEMENTED", "Allow"),
    "no credential": Refused(get(LINKS), 401, "UNAUTHENTICATED", "Www-Authenticate"),
    "not for partners": Refused(
        get("/api/v1/affiliate/partners", "Authorization: Bearer {partner}"), 403, "PERMISSION_DENIED"
    ),
    "an unknown parameter": Refused(get(f"{LINKS}?colour=red"), 400, "INVALID_ARGUMENT"),
    "broken JSON": Refused(post(LINKS, "{", "Content-Type: application/json"), 400, "INVALID_ARGUMENT"),
    "a form": Refused(
        post(LINKS, "a=b", "Content-Type: application/x-www-form-urlencoded"),
        415,
        "INVALID_ARGUMENT",
        "Accept",
    ),
    "an unknown coding": Refused(
        post(LINKS, "{}", "Content-Type: application/json", "Content-Encoding: br"),
        415,
        "INVALID_ARGUMENT",
        "Accept-Encoding",
    ),
    "a large body": Refused(
        get(LINKS, "Content-Type: application/json", "Content-Length: 2000000", method="POST"),
        413,
        "RESOURCE_EXHAUSTED",
    ),
    "a long target": Refused(get(f"/{'x' * 9_000}"), 414, "INVALID_ARGUMENT"),
    "a large header": Refused(get("/healthz", f"X-Large: {'x' * 20_000}"), 431, "INVALID_ARGUMENT"),
    "two hosts": Refused(get("/healthz", "Host: other.example"), 400, "INVALID_ARGUMENT"),
    "no HTTP": Refused("hello\r\n\r\n", 400, "INVALID_ARGUMENT"),
    "another version": Refused("GET / HTTP/2.0\r\nHost: {host}\r\n\r\n", 505, "UNIMPLEMENTED"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
async def test_every_refusal_is_a_problem_document(stack: Stack, case: Refused) -> None:
    """Wherever it was refused: the status again, a code for programs, the id of the request."""
    answer = await as_sent(stack, case.request)

    problem: dict[str, Any] = answer.body
    assert answer.status == case.status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "instance", "code"} <= problem.keys()
    assert (problem["status"], problem["code"]) == (case.status, case.code)
    assert problem["instance"] == answer.headers["X-Request-Id"]
    assert case.header is None or answer.headers[case.header]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


@pytest.mark.parametrize(
    "request_text",
    [
        get("/healthz"),
        get("/readyz"),
        get(DOCUMENT),
        get("/api/docs"),
        get(LINKS, "Authorization: Bearer {partner}"),
        get("/healthz", method="HEAD"),
        get(LINKS, method="OPTIONS"),
    ],
)
async def test_every_answer_has_the_security_headers(stack: Stack, request_text: str) -> None:
    """No guessing of types, no banner of the server, and an id to ask about."""
    answer = await as_sent(stack, request_text)

    assert answer.status in {200, 204}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-Id"]
    assert "Server" not in answer.headers
