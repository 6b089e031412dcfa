"""What the wire is spared: answers that the client has, and the bulk of large ones."""

import gzip

import pytest

from tests.contract.edge.raw_client import HOST, LINKS, RawAnswer, ask_once, post, request
from tests.contract.edge.running_edge import Edge

LARGE = f"{LINKS}?pageSize=400"
SMALL = f"{LINKS}?pageSize=1"
GZIP = "Accept-Encoding: gzip"


async def get(edge: Edge, target: str, *headers: str, method: str = "GET") -> RawAnswer:
    return await ask_once(
        edge.address, request(target, HOST, *headers, method=method), to_head=method == "HEAD"
    )


async def test_a_large_answer_is_compressed_for_who_takes_it(shared_edge: Edge) -> None:
    """The same content at a fraction of the size, and caches are told what it depends on."""
    plain, packed = await get(shared_edge, LARGE), await get(shared_edge, LARGE, GZIP)
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 10
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("x-gzip", True),
        ("*", True),
        ("br, gzip;q=0.5", True),
        ("GZip ; Q=1", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=0.5, identity", False),
        ("br", False),
        ("gzip;q=x", False),
        ("", False),
    ],
)
async def test_weights_of_codings(shared_edge: Edge, accepted: str, is_packed: bool) -> None:
    """Gzip for those who like it at least as well as plain."""
    answer = await get(shared_edge, LARGE, f"Accept-Encoding: {accepted}")
    assert ("content-encoding" in answer.headers) == is_packed


async def test_a_small_answer_is_sent_as_it_is(shared_edge: Edge) -> None:
    """Compressing would make it no smaller in packets."""
    answer = await get(shared_edge, SMALL, GZIP)
    assert "content-encoding" not in answer.headers


async def test_an_answer_that_is_compressed_already_is_left_alone(shared_edge: Edge) -> None:
    """The document brings its own compressed form."""
    answer = await get(shared_edge, "/api/openapi.json", GZIP)
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body).startswith(b"{")


async def test_the_answer_to_a_post_is_left_alone(shared_edge: Edge) -> None:
    """It may hold a secret that was just made: neither compressed nor tagged nor kept by anybody."""
    answer = await ask_once(shared_edge.address, post(b'{"destinationUrl": "%b"}' % (b"a" * 4000), GZIP))
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert not {"content-encoding", "etag"} & answer.headers.keys()


async def test_what_the_client_has_is_not_sent_again(shared_edge: Edge) -> None:
    """304 without a body, with the headers that renew what it has."""
    first = await get(shared_edge, LARGE, GZIP)
    again = await get(shared_edge, LARGE, GZIP, f"If-None-Match: {first.headers['etag']}")
    assert again.status == 304
    assert "content-length" not in again.headers
    for name in ("etag", "vary", "cache-control"):
        assert again.headers[name] == first.headers[name]
    assert first.headers["etag"].startswith('W/"')
    assert first.headers["cache-control"] == "private, no-cache"


async def test_the_tag_follows_the_content(shared_edge: Edge) -> None:
    """The same for both codings, another for another content."""
    tags = [
        (await get(shared_edge, target, *headers)).headers["etag"]
        for target, headers in ((LARGE, ()), (LARGE, (GZIP,)), (SMALL, ()))
    ]
    assert tags[0] == tags[1] != tags[2]


@pytest.mark.parametrize(
    ("template", "status"),
    [
        ("{weak}", 304),
        ("{strong}", 304),
        ("*", 304),
        (' "a", {weak} , "b"', 304),
        ('"a,b", {strong}', 304),
        ('"a"', 200),
        ("{bare}", 200),
        ('W/"a", w/{strong}x', 304),
        ("", 200),
    ],
)
async def test_lists_of_tags(shared_edge: Edge, template: str, status: int) -> None:
    """Compared weakly, one by one; `*` is whatever there is."""
    weak = (await get(shared_edge, SMALL)).headers["etag"]
    strong = weak.removeprefix("W/")
    wanted = template.format(weak=weak, strong=strong, bare=strong.strip('"'))
    assert (await get(shared_edge, SMALL, f"If-None-Match: {wanted}")).status == status


async def test_tags_in_two_lines_are_one_list(shared_edge: Edge) -> None:
    """As with every list."""
    tag = (await get(shared_edge, SMALL)).headers["etag"]
    assert (await get(shared_edge, SMALL, 'If-None-Match: "a"', f"If-None-Match: {tag}")).status == 304


@pytest.mark.parametrize("headers", [(), (GZIP,)], ids=["plain", "gzip"])
async def test_head_says_what_get_would(shared_edge: Edge, headers: tuple[str, ...]) -> None:
    """The same headers, length and coding included."""
    got, told = (
        await get(shared_edge, LARGE, *headers),
        await get(shared_edge, LARGE, *headers, method="HEAD"),
    )
    varying = {"date", "x-request-id"}
    assert {k: v for k, v in told.headers.items() if k not in varying} == {
        k: v for k, v in got.headers.items() if k not in varying
    }
    tagged = (*headers, f"If-None-Match: {got.headers['etag']}")
    assert (await get(shared_edge, LARGE, *tagged, method="HEAD")).status == 304


async def test_a_refusal_has_no_tag(shared_edge: Edge) -> None:
    """And nobody keeps it."""
    answer = await get(shared_edge, "/api/v1/nothing", "If-None-Match: *")
    assert answer.status == 404
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
