"""A click from the shopper's browser to the partner's statistics, over HTTP only."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import Api, Visitors, eventually
from tests.stack import Stack

LinkMaker = Callable[..., Awaitable[dict[str, Any]]]
Partner = tuple[Api, dict[str, Any]]


async def stats(api: Api, link: dict[str, Any]) -> tuple[int, int, int]:
    answer = await api.get(f"/api/v1/affiliate/links/{link['linkId']}/stats")
    assert answer.status == 200, answer.body
    return tuple(int(answer.body[name]) for name in ("humanClicks", "uniqueClicks", "botClicks"))  # type: ignore[return-value] # three names, three numbers


async def counts_become(api: Api, link: dict[str, Any], expected: tuple[int, int, int]) -> None:
    async def counted() -> bool:
        return await stats(api, link) == expected

    try:
        await eventually(counted, within_seconds=2)
    except TimeoutError:
        pytest.fail(f"after 2 s the statistics say {await stats(api, link)}, not {expected}")


async def test_a_new_link_has_everything_a_partner_needs(
    partner: Partner, product: dict[str, Any], new_link: LinkMaker, stack: Stack
) -> None:
    """The answer names the link, its owner, its codes and its address."""
    link = await new_link(campaign="spring")

    assert link["partnerId"] == partner[1]["partnerId"]
    assert link["productId"] == product["productId"]
    assert product["slug"] in link["destinationUrl"]
    assert link["shortUrl"] == f"{stack['edge_url'].rstrip('/')}/l/{link['shortCode']}"
    assert len(link["trackingCode"]) == 64
    assert int(link["trackingCode"], 16) > 0
    assert len(link["shortCode"]) == 6
    assert (link["status"], link["campaign"]) == ("ACTIVE", "spring")
    assert {"linkId", "createdAt"} <= link.keys()
    assert "expiresAt" not in link


async def test_a_redirect_has_the_promised_headers(new_link: LinkMaker, visitors: Visitors) -> None:
    """302, private, unindexed, with a signed cookie that names nobody."""
    link = await new_link()

    answer = await visitors.click(link["shortCode"])

    assert answer.status == 302
    assert answer.headers["Location"] == link["destinationUrl"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    cookie = answer.headers["Set-Cookie"]
    name_and_value, *attributes = [part.strip() for part in cookie.split(";")]
    assert len(name_and_value.partition("=")[2]) < 80
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert f"Max-Age={30 * 86_400}" in attributes


async def test_fifty_clicks_of_one_visitor_are_one_unique(
    partner: Partner, new_link: LinkMaker, visitors: Visitors
) -> None:
    """All in parallel, over both edge processes; then another visitor counts for itself."""
    link = await new_link()
    address = visitors.address()

    answers = await asyncio.gather(*(visitors.click(link["shortCode"], address=address) for _ in range(50)))

    assert {answer.status for answer in answers} == {302}
    assert len({answer.headers["Set-Cookie"] for answer in answers}) == 50
    await counts_become(partner[0], link, (50, 1, 0))
    await visitors.click(link["shortCode"])
    await counts_become(partner[0], link, (51, 2, 0))


async def test_bots_head_and_prefetch_are_not_people(
    partner: Partner, new_link: LinkMaker, visitors: Visitors
) -> None:
    """Crawlers and prefetches count apart and get no cookie; HEAD counts nowhere."""
    link = await new_link()
    code = link["shortCode"]

    crawler = await visitors.click(code, User_Agent="Mozilla/5.0 (compatible; Googlebot/2.1)")
    prefetches = [
        await visitors.click(code, Sec_Purpose="prefetch;prerender"),
        await visitors.click(code, Purpose="prefetch"),
        await visitors.click(code, X_Moz="prefetch"),
    ]
    head = await visitors.click(code, method="HEAD")

    assert {answer.status for answer in [crawler, *prefetches, head]} == {302}
    assert all("Set-Cookie" not in answer.headers for answer in [crawler, *prefetches, head])
    await counts_become(partner[0], link, (0, 0, 4))


async def test_the_series_sums_to_the_totals(
    partner: Partner, new_link: LinkMaker, visitors: Visitors
) -> None:
    """Days of the series add up; `asOf` is set."""
    link = await new_link()
    for _ in range(3):
        await visitors.click(link["shortCode"])
    await counts_become(partner[0], link, (3, 3, 0))

    answer = await partner[0].get(f"/api/v1/affiliate/links/{link['linkId']}/stats")

    assert sum(int(point["humanClicks"]) for point in answer.body["series"]) == 3
    assert answer.body["asOf"].endswith("Z")


async def test_a_link_that_ends_is_gone_on_every_edge_within_five_seconds(
    partner: Partner, new_link: LinkMaker, stack: Stack, visitors: Visitors
) -> None:
    """Both processes have cached the links before; connections of their own reach both."""
    disabled, expiring = await new_link(), await new_link()
    for link in (disabled, expiring):
        await on_new_connections(stack, link["shortCode"], visitors)
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    links = "/api/v1/affiliate/links"
    ended = [
        await partner[0].post(f"{links}/{disabled['linkId']}:disable"),
        await partner[0].patch(f"{links}/{expiring['linkId']}", {"expiresAt": soon}),
    ]
    assert [answer.status for answer in ended] == [200, 200], [answer.body for answer in ended]

    served = await asyncio.gather(
        *(last_served(stack, link["shortCode"], visitors) for link in (disabled, expiring))
    )

    assert served[0] < 5
    assert served[1] < 6
    for link in (disabled, expiring):
        answer = await visitors.click(link["shortCode"], Accept="application/json")
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Content-Type"].startswith("application/problem+json")


async def last_served(stack: Stack, code: str, visitors: Visitors) -> float:
    """For how many seconds from now on any edge still led on; their caches end at different times."""
    began = still_served = time.monotonic()
    while time.monotonic() < began + 6.5:
        asked = time.monotonic()
        if await on_new_connections(stack, code, visitors) != {410}:
            still_served = asked
    return still_served - began


async def on_new_connections(stack: Stack, code: str, visitors: Visitors) -> set[int]:
    """The statuses that twenty connections get, spread by the kernel over the edge processes."""

    async def once() -> int:
        async with aiohttp.ClientSession(stack["edge_url"]) as session:
            return (await Visitors(session, visitors.numbers).click(code)).status

    return set(await asyncio.gather(*(once() for _ in range(20))))


async def test_unknown_codes_and_wrong_methods(new_link: LinkMaker, visitors: Visitors) -> None:
    """404 as the client likes to read it, 405 with what is allowed; neither sets a cookie."""
    link = await new_link()

    page = await visitors.click("no-such-code", Accept="text/html")
    problem = await visitors.click("no-such-code", Accept="application/json")
    posted = await visitors.click(link["shortCode"], method="POST")

    assert (page.status, problem.status, posted.status) == (404, 404, 405)
    assert page.headers["Content-Type"].startswith("text/html")
    assert problem.headers["Content-Type"].startswith("application/problem+json")
    assert {method.strip() for method in posted.headers["Allow"].split(",")} >= {"GET", "HEAD"}
    assert all("Set-Cookie" not in answer.headers for answer in (page, problem, posted))


async def test_codes_are_read_generously(new_link: LinkMaker, visitors: Visitors) -> None:
    """Case, percent-encoding and stray blanks do not matter."""
    link = await new_link(customCode=f"Spring-{id(new_link)}")
    assert link["shortCode"] == link["shortCode"].lower()

    for spelling in (
        link["shortCode"].upper(),
        link["shortCode"].replace("-", "%2D"),
        f"{link['shortCode']}%20",
    ):
        assert (await visitors.click(spelling)).status == 302, spelling


async def test_the_query_is_forwarded_and_never_decides(new_link: LinkMaker, visitors: Visitors) -> None:
    """The owner's parameters win, order stays, the click id is appended, the host stays."""
    link = await new_link(
        destinationUrl="https://shop.example/p/kettle?ref=owner#details",
        forwardQuery=True,
        clickIdParameter="mclid",
    )

    answer = await visitors.click(link["shortCode"], query="?ref=evil&a=2&a=1&url=https://evil.example")

    location = answer.headers["Location"]
    head, _, fragment = location.partition("#")
    assert head.startswith("https://shop.example/p/kettle?ref=owner&a=2&a=1&")
    assert "ref=evil" not in location
    assert "&mclid=" in head
    assert fragment == "details"
