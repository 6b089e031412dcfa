"""One request through the tool: bound, called, answered, or refused as strictly as at the edge."""

import asyncio
import gzip

import pytest

from tests.contract.gateway_tool.tool_process import Tool

BOOK = "/v1/shelves/1/books/2"


async def test_a_captured_path_reaches_the_upstream_and_its_answer_comes_back_as_json(subject: Tool) -> None:
    """Every kind of field of a contract that this process was not built with is spelt as proto3 JSON."""
    reply = await subject.get(BOOK)
    assert reply.status == 200
    assert reply.json == {
        "name": "shelves/1/books/2",
        "title": "Mill",
        "isbn": "9007199254740993",
        "binding": "CLOTH",
        "printedAt": "1860-04-04T00:00:00Z",
        "readingTime": "3600.500s",
        "subtitle": "on the Floss",
        "notes": {"shelf": [1, None, {"high": True}]},
        "enclosed": {"@type": "type.example.com/shelf.v1.Bookmark", "page": 7},
        "pagesByChapter": {"1": 12},
        "authors": [],
        "checksum": "//4=",
    }


async def test_a_body_is_read_into_the_messages_of_the_contract(subject: Tool) -> None:
    """Well-known types and an `Any` of the contract's own type come back as they were sent."""
    book = {
        "name": "shelves/7/books/given",
        "title": "Ä book",
        "isbn": "9007199254740993",
        "binding": "PAPER",
        "printedAt": "2026-01-31T12:00:00.000000001Z",
        "readingTime": "-1.500s",
        "subtitle": "",
        "notes": {"a": [1.5, {"b": None}]},
        "enclosed": {"@type": "type.example.com/shelf.v1.Bookmark", "page": 3},
        "pagesByChapter": {"one": 1},
        "authors": ["x", "y"],
        "checksum": "AP8=",
    }
    reply = await subject.ask(
        "PUT", "/v1/books", json={"parent": "shelves/7", "bookId": "given", "book": book}
    )
    assert (reply.status, reply.json) == (200, book)


async def test_path_query_and_body_meet_in_one_request(subject: Tool) -> None:
    """The rule's body field is filled from the body, the rest from path and query."""
    reply = await subject.post("/v1/shelves/3/books?bookId=b1", {"title": "T"})
    assert reply.status == 200
    assert (reply.json["name"], reply.json["title"]) == ("shelves/3/books/b1", "T")


async def test_query_parameters_reach_nested_repeated_and_boxed_fields(subject: Tool) -> None:
    """Each is bound under either of its names."""
    reply = await subject.get(
        "/v1/shelves/1/books?page_size=3&bindings=PAPER&bindings=CLOTH&filter.author=a+b"
        "&printedBefore=2026-01-01T00:00:00Z&inStock=false"
    )
    assert reply.json == {
        "parent": "shelves/1",
        "pageSize": 3,
        "bindings": ["PAPER", "CLOTH"],
        "filter": {"author": "a b"},
        "printedBefore": "2026-01-01T00:00:00Z",
        "inStock": False,
    }


async def test_a_patch_tells_the_upstream_which_fields_were_named(subject: Tool) -> None:
    """The lone mask of the request is filled from the keys of the body."""
    reply = await subject.ask("PATCH", BOOK, json={"title": "T", "readingTime": "1s"})
    assert reply.json["updateMask"] == "title,readingTime"
    assert reply.json["book"]["name"] == "shelves/1/books/2"


async def test_a_raw_body_passes_as_it_is(subject: Tool) -> None:
    """`google.api.HttpBody` keeps bytes and media type both ways."""
    reply = await subject.ask(
        "POST", f"{BOOK}/cover", data=b"\x89PNG\xff\x00", headers={"Content-Type": "image/png"}
    )
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b"\x89PNG\xff\x00", "image/png")


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "field"),
    [
        ("GET", f"{BOOK}?nope=1", {}, 400, "nope"),
        ("GET", f"{BOOK}?name=x", {}, 400, "name"),
        ("GET", "/v1/shelves/1/books?pageSize=1&pageSize=2", {}, 400, "pageSize"),
        ("GET", "/v1/shelves/1/books?pageSize=1_0", {}, 400, "pageSize"),
        ("POST", "/v1/shelves/1/books", {"json": {"nope": 1}}, 400, "nope"),
        ("POST", "/v1/shelves/1/books", {"json": {"checksum": "?"}}, 400, "checksum"),
        (
            "POST",
            "/v1/shelves/1/books",
            {"json": {"enclosed": {"@type": "t/no.Such"}}},
            400,
            "enclosed.@type",
        ),
        ("POST", "/v1/shelves/1/books", {"data": b'{"title":"a","title":"b"}'}, 415, None),
        ("GET", BOOK, {"json": {}}, 400, None),
        ("GET", "/v1/shelves/1/books/2/", {}, 404, None),
        ("GET", "/v1/shelves/1/books/2:write", {}, 200, None),
        ("GET", "/v1/shelves/../books/2", {}, 400, None),
        ("GET", "/l/shoe22", {}, 404, None),
        ("GET", "/nothing", {}, 404, None),
        ("DELETE", BOOK, {}, 405, None),
    ],
)
async def test_what_is_not_understood_is_refused(
    subject: Tool, *, method: str, path: str, options: dict[str, object], status: int, field: str | None
) -> None:
    """A refusal is a problem document that names the field; nothing is dropped silently."""
    reply = await subject.ask(method, path, **options)
    assert reply.status == status
    if status != 200:
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert [error["field"] for error in reply.json.get("errors", [])] == ([field] if field else [])


async def test_a_method_of_a_known_path_that_has_no_rule_is_named_with_those_that_have(subject: Tool) -> None:
    """405 lists what the path answers."""
    reply = await subject.ask("DELETE", BOOK)
    assert reply.headers["Allow"] == "GET, HEAD, OPTIONS, PATCH"


async def test_a_failed_call_becomes_a_problem_with_its_details(subject: Tool) -> None:
    """Code, reason and fields of the status arrive in the words of JSON."""
    reply = await subject.post(
        "/v1/books:fail", {"code": 3, "detail": "too long", "field": "book.pages_by_chapter"}
    )
    assert reply.status == 400
    assert {key: reply.json[key] for key in ("code", "reason", "errors")} == {
        "code": "INVALID_ARGUMENT",
        "reason": "SHELF_FULL",
        "errors": [{"field": "book.pagesByChapter", "message": "must be shorter"}],
    }


@pytest.mark.parametrize("length", [7_000, 12_000, 60_000, 900_000])
async def test_long_details_arrive(subject: Tool, length: int) -> None:
    """A form with many wrong fields is no rare thing; gRPC would drop some above 8 KiB and all above 16."""
    for _ in range(3):
        reply = await subject.post("/v1/books:fail", {"code": 3, "detail": "d", "field": "f" * length})
        assert (reply.status, len(reply.json["errors"][0]["field"])) == (400, length)


async def test_a_method_that_the_upstream_does_not_have_is_not_implemented(subject: Tool) -> None:
    """A contract may promise more than the server keeps."""
    reply = await subject.post(f"{BOOK}:lend", {})
    assert (reply.status, reply.json["code"]) == (501, "UNIMPLEMENTED")


async def test_a_method_without_a_rule_has_no_path(subject: Tool) -> None:
    """The name on the gRPC wire is no path, either."""
    assert (await subject.post("/shelf.v1.Shelves/Hidden", {})).status == 404


async def test_only_allowed_and_asked_for_headers_become_metadata(subject: Tool) -> None:
    """Credentials and named headers travel on, cookies stay, the client's address is the judged one."""
    headers = {
        "Authorization": "Bearer t",
        "X-Api-Key": "k1",
        "X-Other": "no",
        "Cookie": "a=b",
        "X-Forwarded-For": "198.51.100.9",
        "X-Request-Id": "req-12345678",
    }
    seen = (await subject.get("/v1/books:metadata", headers=headers)).json
    seen.pop("user-agent")
    assert seen == {
        "authorization": ["Bearer t"],
        "x-api-key": ["k1"],
        "x-forwarded-for": ["198.51.100.9"],
        "x-request-id": ["req-12345678"],
    }


async def test_a_gzipped_body_is_inflated_and_a_bomb_refused(subject: Tool) -> None:
    """The limits of the edge hold here."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    small = await subject.ask(
        "POST", "/v1/shelves/1/books", data=gzip.compress(b'{"title":"z"}'), headers=headers
    )
    bomb = await subject.ask(
        "POST", "/v1/shelves/1/books", data=gzip.compress(bytes(50 << 20)), headers=headers
    )
    assert (small.status, small.json["title"]) == (200, "z")
    assert bomb.status == 413


async def test_every_answer_carries_the_headers_of_the_edge(subject: Tool) -> None:
    """No banner; an id that finds the request in the logs; no sniffing."""
    reply = await subject.get("/nothing")
    assert "Server" not in reply.headers
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["X-Request-Id"] == reply.json["instance"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /v1/\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PUT /v1/books HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_the_door_is_the_edges(subject: Tool, head: bytes) -> None:
    """What is no clean HTTP is refused with a problem document, and the connection closed."""
    host, port = subject.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    assert answer.split(b" ")[1] in {b"400", b"505"}
    assert b"application/problem+json" in answer
