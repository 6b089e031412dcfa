"""What a shopper, a crawler and a browser that looks ahead get at `/l/{code}`, and what is recorded."""

import asyncio
import time

import pytest
from pydantic import SecretStr

from edge.cookies import COOKIE_NAME
from edge.settings import Settings
from millrace.affiliate.v1 import link_pb2
from millrace.streams.ids import id_text
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from millrace.streams.tracking_cookie import CookieSigner
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.running_edge import Edge, recorded_clicks

SHOE = "https://shop.example/p/shoe"


async def test_a_click_is_redirected_and_in_redis(
    edge: Edge, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """302 with the headers of the contract; the click is there when the answer is."""
    response = await edge.get("/l/shoe22", Referer="https://Blog.example/review?me")
    [click] = await recorded_clicks(redis, keys)
    assert response.status == 302
    assert response.headers["Location"] == SHOE
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Request-Id"]
    assert "Server" not in response.headers
    assert id_text(click.link_id) == link_server.links["shoe22"].link_id
    assert id_text(click.partner_id) == link_server.links["shoe22"].partner_id
    assert (click.human, click.unique, click.device) == (True, True, "desktop")
    assert click.referrer_host == "blog.example"
    assert abs(click.at_ms - time.time() * 1000) < 10_000


async def test_the_cookie_proves_the_click(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Its click id is that of the recorded click, and every click gets a fresh one."""
    values = [(await edge.get("/l/shoe22")).cookies[COOKIE_NAME].value for _ in range(2)]
    clicks = await recorded_clicks(redis, keys)
    signer = CookieSigner(
        Settings(mode="development", redis_url=SecretStr("redis://x")).cookie_signing_keys()
    )
    touches = [signer.verify(value, now_ms=int(time.time() * 1000)) for value in values]
    assert [touch.click_id for touch in touches] == [click.click_id for click in clicks]
    assert len(set(values)) == 2


async def test_fifty_parallel_clicks_of_one_visitor_are_one_unique(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """All are human clicks with a cookie, exactly one is unique; another visitor is another unique."""
    responses = await asyncio.gather(*(edge.get("/l/shoe22") for _ in range(50)))
    await edge.get("/l/shoe22", visitor="198.51.100.8")
    clicks = await recorded_clicks(redis, keys)
    assert {response.status for response in responses} == {302}
    assert all(COOKIE_NAME in response.cookies for response in responses)
    assert len(clicks) == 51
    assert all(click.human for click in clicks)
    assert sum(click.unique for click in clicks) == 2
    assert len({click.visitor for click in clicks}) == 2


async def test_an_ipv6_household_is_one_visitor(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Addresses of one /64 are one visitor, another /64 is another."""
    for visitor in ("2001:db8:0:1::7", "2001:db8:0:1:ffff::9", "2001:db8:0:2::7"):
        await edge.get("/l/shoe22", visitor=visitor)
    clicks = await recorded_clicks(redis, keys)
    assert [click.unique for click in clicks] == [True, False, True]


@pytest.mark.parametrize(
    "headers",
    [
        {"User_Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"User_Agent": ""},
        {"Sec_Purpose": "prefetch"},
        {"Purpose": "prefetch"},
        {"X_Moz": "prefetch"},
    ],
)
async def test_bots_and_prefetches_are_counted_apart(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys, headers: dict[str, str]
) -> None:
    """They are redirected without a cookie, recorded as not human, and take no unique from a person."""
    response = await edge.get("/l/shoe22", **headers)
    await edge.get("/l/shoe22")
    bot, human = await recorded_clicks(redis, keys)
    assert response.status == 302
    assert COOKIE_NAME not in response.cookies
    assert (bot.human, bot.unique) == (False, False)
    assert (human.human, human.unique) == (True, True)


async def test_head_is_answered_like_get_and_never_counted(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """The same Location, no cookie, no click."""
    response = await edge.get("/l/shoe22", method="HEAD")
    assert response.status == 302
    assert response.headers["Location"] == SHOE
    assert COOKIE_NAME not in response.cookies
    assert await recorded_clicks(redis, keys) == []


@pytest.mark.parametrize(
    "path", ["/l/SHOE22", "/l/%73hoe22", "/l/%20shoe22%20", "/l/shoe22?x=1", "/l/shoe22?"]
)
async def test_spellings_of_a_code(edge: Edge, path: str) -> None:
    """Case, percent-encoding, blanks around it and a query do not matter."""
    response = await edge.get(path)
    assert (response.status, response.headers["Location"]) == (302, SHOE)


@pytest.mark.parametrize(
    "path", ["/l/nowhere", "/l/", "/l/ab", "/l/shoe22/", "/l/%E2%84%AAshoe", "/l/" + "a" * 65, "/l/shoe%0022"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_unknown_codes(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys, path: str, method: str
) -> None:
    """404 without a cookie, and nothing is recorded."""
    response = await edge.get(path, method=method)
    assert response.status == 404
    assert "Set-Cookie" not in response.headers
    assert await recorded_clicks(redis, keys) == []


async def test_a_page_for_people_and_a_problem_for_programs(edge: Edge) -> None:
    """The Accept header chooses."""
    page = await edge.get("/l/nowhere", Accept="text/html,*/*;q=0.8")
    problem = await edge.get("/l/nowhere", Accept="*/*", X_Request_Id="request-0001")
    assert page.content_type == "text/html"
    assert "Link not found" in await page.text()
    assert problem.content_type == "application/problem+json"
    document = await problem.json(content_type=None)
    assert (document["status"], document["instance"]) == (404, "request-0001")


async def test_ended_links_are_gone(
    edge: Edge, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Disabled or expired: 410, no cookie, no click."""
    link_server.add("off222", status=link_pb2.Link.DISABLED)
    link_server.add("late22", expires_at_ms=int(time.time() * 1000) - 1)
    for code in ("off222", "late22"):
        response = await edge.get(f"/l/{code}")
        assert response.status == 410
        assert "Set-Cookie" not in response.headers
    assert await recorded_clicks(redis, keys) == []


async def test_ended_links_with_a_fallback_lead_there(
    edge: Edge, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """302 to the fallback, which earns nobody a click."""
    link_server.add("off222", status=link_pb2.Link.DISABLED, fallback_url="https://shop.example/sale")
    response = await edge.get("/l/off222")
    assert (response.status, response.headers["Location"]) == (302, "https://shop.example/sale")
    assert "Set-Cookie" not in response.headers
    assert await recorded_clicks(redis, keys) == []


async def test_expiry_needs_no_invalidation(edge: Edge, link_server: LinkServer) -> None:
    """A link in memory ends at its own time."""
    link_server.add("soon22", expires_at_ms=int(time.time() * 1000) + 400)
    assert (await edge.get("/l/soon22")).status == 302
    await asyncio.sleep(0.5)
    assert (await edge.get("/l/soon22")).status == 410
    assert link_server.asked["soon22"] == 1


@pytest.mark.parametrize("destination", ["javascript:alert(1)", "//evil.example", "https://a@evil.example/"])
async def test_an_unsafe_destination_is_never_followed(
    edge: Edge, link_server: LinkServer, destination: str
) -> None:
    """Whatever came to stand in the store."""
    link_server.add("evil22", destination)
    response = await edge.get("/l/evil22")
    assert response.status == 410
    assert "Location" not in response.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods(edge: Edge, method: str) -> None:
    """405 with Allow."""
    response = await edge.get("/l/shoe22", method=method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"


async def test_no_parameter_changes_the_destination(edge: Edge) -> None:
    """Without the option nothing of the query is passed on."""
    response = await edge.get("/l/shoe22?url=https://evil.example&destination=https://evil.example")
    assert response.headers["Location"] == SHOE


async def test_options_of_a_link(
    edge: Edge, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Query and click id are appended, the owner's parameters win, the fragment stays last."""
    link_server.add("opts22", SHOE + "?a=1#size", forward_query=True, click_id_parameter="cid")
    response = await edge.get("/l/opts22?a=2&b=3&b=4&cid=forged")
    [click] = await recorded_clicks(redis, keys)
    assert response.headers["Location"] == f"{SHOE}?a=1&b=3&b=4&cid={id_text(click.click_id)}#size"


async def test_a_visitor_cannot_choose_an_address_past_the_proxy(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Only the hop that our own proxy saw counts."""
    for claimed in ("1.1.1.1", "2.2.2.2"):
        await edge.get("/l/shoe22", visitor=f"{claimed}, 198.51.100.7")
    assert [click.unique for click in await recorded_clicks(redis, keys)] == [True, False]
