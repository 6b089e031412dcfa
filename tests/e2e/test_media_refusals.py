"""What callers of the media service are refused, and how they learn why: by field, by reason, by role."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.conftest import Api
from tests.e2e.media_pictures import unlike
from tests.e2e.media_shop import MEDIA, MediaShop, open_shop
from tests.stack import Stack


@pytest.fixture(scope="module")
async def shop(stack: Stack) -> AsyncIterator[MediaShop]:
    async with open_shop(stack) as shop:
        yield shop


@pytest.fixture(scope="module")
async def media_id(shop: MediaShop) -> str:
    """Of a picture that is in the store."""
    ticket = await shop.uploaded(unlike("refusals", uuid.uuid4().int))
    return str(ticket["mediaId"])


def fields_of(answer: Any) -> set[str]:
    """What the refusal names."""
    assert answer.status == 400, answer.body
    return {error["field"] for error in answer.body["errors"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filename", "../../etc/passwd"),
        ("filename", ".."),
        ("filename", "a\0b.jpg"),
        ("filename", "photo\u202egpj.exe"),
        ("filename", ""),
        ("contentType", ""),
        ("contentLength", 0),
        ("contentLength", 25 * 1024 * 1024 + 1),
        ("entityType", "_variants"),
        ("entityType", "../product"),
        ("entityId", ".."),
        ("entityId", "a\nb"),
        ("sha256", "abc"),
    ],
    ids=lambda value: ascii(value)[:24],
)
async def test_wrong_declarations_are_refused_by_name(shop: MediaShop, field: str, value: Any) -> None:
    """Before a URL is given out."""
    body = shop.declaration(unlike("refused", 0), **{field: value})
    assert fields_of(await shop.api.post(f"{MEDIA}/upload-url", body)) == {field}


async def test_other_types_of_files_are_refused(shop: MediaShop) -> None:
    """SVG carries scripts, TIFF takes decoders nobody needs."""
    for kind in ("image/svg+xml", "image/tiff", "text/html", "application/octet-stream"):
        body = shop.declaration(unlike("refused", 0), contentType=kind)
        answer = await shop.api.post(f"{MEDIA}/upload-url", body)
        assert (answer.status, answer.body["reason"]) == (400, "TYPE_NOT_ALLOWED"), kind


async def test_wrong_orders_are_refused_by_name(shop: MediaShop, media_id: str) -> None:
    """Unknown pictures and variants, and recipes that nothing can be made by."""
    unknown = await shop.process(str(uuid.uuid4()))
    assert (unknown.status, unknown.body["reason"]) == (404, "MEDIA_NOT_FOUND")
    strange = await shop.process(media_id, variants=[{"name": "poster"}])
    assert (strange.status, strange.body["reason"]) == (400, "VARIANT_UNKNOWN")
    far = {"x": 2}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"width": 0}, "width"), ({"width": 4001}, "width"), ({"width": 9, "fit": "squeeze"}, "fit"),
        ({"width": 9, "format": "tiff"}, "format"), ({"width": 9, "quality": 101}, "quality"),
        ({"width": 9, "background": "red"}, "background"), ({"width": 9, "focalPoint": far}, "focalPoint.x"),
    ]  # fmt: skip
    for recipe, field in wrong:
        answer = await shop.process(media_id, variants=[{"name": "wrong", **recipe}])
        assert fields_of(answer) == {f"variants[0].{field}"}, recipe
    twice = await shop.process(media_id, variants=[{"name": "a", "width": 9}, {"name": "a", "width": 8}])
    assert twice.status == 400
    neither = await shop.api.post(f"{MEDIA}/process", {})
    assert neither.status == 400


async def test_only_admins_and_services_may(media_id: str, shop: MediaShop, stack: Stack) -> None:
    """Nobody without a credential, and no partner, whatever the call."""
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"{MEDIA}/upload-url", shop.declaration(unlike("foreign", 0))),
        ("POST", f"{MEDIA}/process", {"mediaId": media_id}),
        ("GET", f"{MEDIA}/{media_id}", None),
        ("GET", MEDIA, None),
        ("DELETE", f"{MEDIA}/{media_id}", None),
    ]
    for token, status in ((None, 401), (stack["partner_token"], 403)):
        caller = Api(shop.session, token)
        answers = [await caller.call(*call) for call in calls]
        assert [answer.status for answer in answers] == [status] * 5
    service = Api(shop.session, stack["service_token"])
    assert (await service.get(f"{MEDIA}/{media_id}")).body["mediaId"] == media_id
