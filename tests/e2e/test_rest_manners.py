"""What the REST door answers to callers without rights and to input that breaks a rule."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.e2e.conftest import Api

LinkMaker = Callable[..., Awaitable[dict[str, Any]]]
Partner = tuple[Api, dict[str, Any]]


def fields(body: Any) -> set[str]:
    return {error["field"] for error in body["errors"]}


async def test_no_token_and_bad_tokens_are_401(nobody: Api, session: Any) -> None:
    """The answer says how to authenticate, and not what was wrong."""
    answers = [
        await nobody.get("/api/v1/affiliate/links"),
        await Api(session, "garbage").get("/api/v1/affiliate/links"),
        await Api(session, "a.b.c").get("/api/v1/affiliate/links"),
    ]

    assert {answer.status for answer in answers} == {401}
    for answer in answers:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_partner_may_not_administrate(partner: Partner) -> None:
    """The wrong role is 403 everywhere."""
    api, record = partner
    for answer in (
        await api.get("/api/v1/affiliate/program"),
        await api.patch("/api/v1/affiliate/program", {"name": "Mine"}),
        await api.post("/api/v1/affiliate/partners", {"name": "x", "email": "x@y.example"}),
        await api.post(f"/api/v1/affiliate/partners/{record['partnerId']}:approve"),
        await api.post("/api/v1/catalog/products", {"name": "x"}),
    ):
        assert answer.status == 403, answer.body


async def test_another_partners_things_are_not_found(
    partner: Partner, new_link: LinkMaker, admin: Api, session: Any
) -> None:
    """Not forbidden: that they exist is nobody's business."""
    link = await new_link()
    other = await admin.made(
        "/api/v1/affiliate/partners", {"name": "Eve", "email": f"{uuid.uuid4().hex}@partners.example"}
    )
    minted = await admin.made(f"/api/v1/affiliate/partners/{other['partnerId']}:mintToken")
    eve = Api(session, minted["token"])
    path = f"/api/v1/affiliate/links/{link['linkId']}"

    for answer in (
        await eve.get(path),
        await eve.get(f"{path}/stats"),
        await eve.patch(path, {"campaign": "mine now"}),
        await eve.post(f"{path}:disable"),
        await eve.get(f"/api/v1/affiliate/partners/{partner[1]['partnerId']}"),
    ):
        assert answer.status == 404, answer.body
    assert (await partner[0].get(path)).body["status"] == "ACTIVE"
    listed = await eve.get("/api/v1/affiliate/links")
    assert listed.body["links"] == []


async def test_a_pending_partner_cannot_create_links(
    admin: Api, product: dict[str, Any], session: Any
) -> None:
    """Only ACTIVE partners earn."""
    created = await admin.made(
        "/api/v1/affiliate/partners", {"name": "New", "email": f"{uuid.uuid4().hex}@partners.example"}
    )
    assert created["status"] == "PENDING"
    minted = await admin.made(f"/api/v1/affiliate/partners/{created['partnerId']}:mintToken")

    answer = await Api(session, minted["token"]).post(
        "/api/v1/affiliate/links", {"productId": product["productId"]}
    )

    assert answer.status == 400
    assert answer.body["reason"] == "PARTNER_NOT_ACTIVE"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "destinationUrl"),
        ({"productId": "no-such-product"}, "productId"),
        ({"destinationUrl": "https://evil.example/"}, "destinationUrl"),
        ({"destinationUrl": "https://shop.example@evil.example/"}, "destinationUrl"),
        ({"destinationUrl": "https://shop.example.evil.example/"}, "destinationUrl"),
        ({"destinationUrl": "https://evilshop.example/"}, "destinationUrl"),
        ({"destinationUrl": "https:\\\\evil.example\\@shop.example/"}, "destinationUrl"),
        ({"destinationUrl": "javascript:alert(1)"}, "destinationUrl"),
        ({"destinationUrl": "//evil.example"}, "destinationUrl"),
        ({"destinationUrl": "https://shop.example/\r\nSet-Cookie: a=b"}, "destinationUrl"),
        ({"destinationUrl": "https://shop.example/p", "customCode": "api"}, "customCode"),
        ({"destinationUrl": "https://shop.example/p", "customCode": "ADMIN"}, "customCode"),
        ({"destinationUrl": "https://shop.example/p", "customCode": "a"}, "customCode"),
        ({"destinationUrl": "https://shop.example/p", "customCode": "with space"}, "customCode"),
        ({"destinationUrl": "https://shop.example/p", "customCode": "émile"}, "customCode"),
        ({"destinationUrl": "https://shop.example/p", "expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
        ({"destinationUrl": "https://shop.example/p", "expiresAt": "tomorrow"}, "expiresAt"),
        ({"destinationUrl": "https://shop.example/p", "clickIdParameter": "a b"}, "clickIdParameter"),
        ({"destinationUrl": "https://shop.example/p?cid=5", "clickIdParameter": "cid"}, "clickIdParameter"),
        ({"destinationUrl": "https://shop.example/p", "campaign": "x" * 129}, "campaign"),
        ({"destinationUrl": "https://shop.example/p", "noSuchField": 1}, "noSuchField"),
        ({"destinationUrl": 5}, "destinationUrl"),
        ({"destinationUrl": "https://shop.example/p", "forwardQuery": "yes"}, "forwardQuery"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_bad_links_are_refused_by_field(partner: Partner, body: dict[str, Any], field: str) -> None:
    """400 naming the field; nothing is stored."""
    before = await partner[0].get("/api/v1/affiliate/links")

    answer = await partner[0].post("/api/v1/affiliate/links", body)

    assert answer.status == 400, answer.body
    assert field in fields(answer.body), answer.body
    assert (await partner[0].get("/api/v1/affiliate/links")).body == before.body


async def test_a_field_of_the_body_is_named_as_the_caller_wrote_it(
    admin: Api, partner: Partner, new_link: LinkMaker
) -> None:
    """The body is one field of the request message, whose name the caller never wrote."""
    link = await new_link()

    update = await partner[0].patch(f"/api/v1/affiliate/links/{link['linkId']}", {"campaign": "x" * 200})
    upsert = await admin.post(
        "/api/v1/catalog/products",
        {"name": "x", "variants": [{"sku": "s", "price": "-1", "currency": "EUR"}]},
    )

    clash = await partner[0].patch(
        f"/api/v1/affiliate/links/{link['linkId']}",
        {"destinationUrl": "https://shop.example/p?cid=5", "clickIdParameter": "cid"},
    )

    assert (clash.status, fields(clash.body)) == (400, {"clickIdParameter"})
    assert (update.status, fields(update.body)) == (400, {"campaign"})
    assert (upsert.status, fields(upsert.body)) == (400, {"variants[0].price"})
    assert "link." not in update.body["detail"]


async def test_a_partner_may_not_set_a_commission(partner: Partner, product: dict[str, Any]) -> None:
    """Only an admin sets what a sale earns."""
    answer = await partner[0].post(
        "/api/v1/affiliate/links",
        {"productId": product["productId"], "commission": {"type": "PERCENTAGE", "rate": "50"}},
    )

    assert answer.status in {400, 403}
    assert answer.body["reason"] == "COMMISSION_NOT_ALLOWED"


async def test_a_request_id_makes_link_creation_repeatable(partner: Partner, new_link: LinkMaker) -> None:
    """The same content gives the first link; other content is 409."""
    first = await new_link(requestId="order-form-7", campaign="a")

    again = await new_link(requestId="order-form-7", campaign="a")
    other = await partner[0].post(
        "/api/v1/affiliate/links",
        {"productId": first["productId"], "requestId": "order-form-7", "campaign": "b"},
    )

    assert again == first
    assert (other.status, other.body["reason"]) == (409, "PAYLOAD_MISMATCH")


async def test_a_taken_code_is_409(partner: Partner, new_link: LinkMaker) -> None:
    """Whoever has it, in whatever case it is asked for."""
    code = f"taken-{uuid.uuid4().hex[:10]}"
    first = await new_link(customCode=code)

    answer = await partner[0].post(
        "/api/v1/affiliate/links", {"productId": first["productId"], "customCode": code.upper()}
    )

    assert (answer.status, answer.body["reason"]) == (409, "CODE_TAKEN")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/affiliate/links?pageSize=-1", "pageSize"),
        ("/api/v1/affiliate/links?pageSize=many", "pageSize"),
        ("/api/v1/affiliate/links?pageToken=garbage", "pageToken"),
        ("/api/v1/affiliate/links?noSuch=1", "noSuch"),
        ("/api/v1/affiliate/links?status=SLEEPING", "status"),
        ("/api/v1/affiliate/links?pageSize=1&pageSize=2", "pageSize"),
        ("/api/v1/affiliate/links/not-an-id", "linkId"),
    ],
)
async def test_bad_questions_are_400_by_field(partner: Partner, path: str, field: str) -> None:
    """Every parameter is checked, and named as the caller wrote it."""
    answer = await partner[0].get(path)

    assert answer.status == 400, answer.body
    assert field in fields(answer.body), answer.body


async def test_pages_walk_every_link_once(partner: Partner, new_link: LinkMaker) -> None:
    """Keyset pages of two over five links; a token of another filter is refused."""
    made = [(await new_link())["linkId"] for _ in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = (await partner[0].get(f"/api/v1/affiliate/links?pageSize=2&pageToken={token}")).body
        seen += [link["linkId"] for link in page["links"]]
        token = page["nextPageToken"]
        if not token:
            break
        elsewhere = await partner[0].get(f"/api/v1/affiliate/links?campaign=x&pageToken={token}")
        assert elsewhere.status == 400

    assert sorted(seen) == sorted(made)


async def test_partner_states_follow_the_rules(admin: Api) -> None:
    """PENDING → ACTIVE ⇄ SUSPENDED, repeated calls change nothing, forbidden steps are refused."""
    created = await admin.made(
        "/api/v1/affiliate/partners", {"name": "Lin", "email": f"{uuid.uuid4().hex}@partners.example"}
    )
    path = f"/api/v1/affiliate/partners/{created['partnerId']}"

    early = await admin.post(f"{path}:suspend")
    assert (early.status, early.body["reason"]) == (400, "STATUS_CONFLICT")
    for step, status in [
        ("approve", "ACTIVE"),
        ("approve", "ACTIVE"),
        ("suspend", "SUSPENDED"),
        ("reinstate", "ACTIVE"),
    ]:
        assert (await admin.made(f"{path}:{step}"))["status"] == status
    late = await admin.post(f"{path}:reject")
    assert (late.status, late.body["reason"]) == (400, "STATUS_CONFLICT")


async def test_the_program_is_changed_by_field(admin: Api) -> None:
    """Only what the body names changes; a bad zone is named."""
    before = (await admin.get("/api/v1/affiliate/program")).body

    changed = await admin.patch(
        "/api/v1/affiliate/program",
        {"holdDays": 21, "defaultCommission": {"type": "PERCENTAGE", "rate": "6.25"}},
    )
    bad = await admin.patch("/api/v1/affiliate/program", {"timeZone": "Mars/Olympus"})
    after = (await admin.patch("/api/v1/affiliate/program", {"holdDays": before["holdDays"]})).body

    assert changed.status == 200, changed.body
    assert changed.body["holdDays"] == 21
    assert changed.body["defaultCommission"]["rate"] == "6.25"
    assert changed.body["allowedDestinationHosts"] == before["allowedDestinationHosts"]
    assert bad.status == 400
    assert "timeZone" in "".join(fields(bad.body))
    assert after["holdDays"] == before["holdDays"]


async def test_products_are_stored_read_listed_and_deleted(admin: Api, product: dict[str, Any]) -> None:
    """The catalogue's own round trip."""
    path = f"/api/v1/catalog/products/{product['productId']}"

    again = await admin.post("/api/v1/catalog/products", product)
    listed = await admin.get("/api/v1/catalog/products?pageSize=500")
    deleted = await admin.call("DELETE", path)
    gone = await admin.get(path)

    assert again.status == 200, again.body
    assert again.body["version"] == product["version"]
    assert product["productId"] in {item["productId"] for item in listed.body["products"]}
    assert deleted.status == 200
    assert gone.status == 404


async def test_unknown_paths_and_methods(admin: Api) -> None:
    """404 for what is nowhere, 405 with `Allow` for what is elsewhere, and no inside shown."""
    missing = await admin.get("/api/v1/nothing/here")
    wrong = await admin.call("DELETE", "/api/v1/affiliate/program")
    control = await admin.get("/api/v1/affiliate/%0Alinks")

    assert (missing.status, control.status) == (404, 400)
    assert wrong.status == 405
    assert "GET" in wrong.headers["Allow"]
    assert "Server" not in missing.headers
    assert missing.headers["X-Content-Type-Options"] == "nosniff"
