"""A picture from the admin's disk to the shop's pages over plain HTTP: URL, PUT, process, READY, gone again.

What the variants show and what callers are refused is tested elsewhere, and so are hostile files.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.conftest import FRONTEND
from tests.e2e.media_pictures import QUADRANTS, Picture, quadrants, saved, unlike
from tests.e2e.media_shop import (
    MEDIA,
    PRODUCT_SET,
    MediaShop,
    gone,
    names,
    new_entity,
    open_shop,
    urls,
    variant,
)
from tests.stack import Stack

SHA256_HEADER = "x-amz-checksum-sha256"


@dataclass(frozen=True)
class Kettle:
    """One picture of a product that went all the way: what each step answered."""

    picture: Picture
    ticket: Any
    asked_at: datetime
    record: Any


@pytest.fixture(scope="module")
async def shop(stack: Stack) -> AsyncIterator[MediaShop]:
    async with open_shop(stack) as shop:
        yield shop


@pytest.fixture(scope="module")
async def kettle(shop: MediaShop) -> Kettle:
    image = quadrants((1800, 1200))
    content = saved(image, "jpeg", quality=90, comment=uuid.uuid4().hex)
    picture = Picture("kettle", content, "image/jpeg", image.size)
    asked_at = datetime.now(UTC)
    ticket = await shop.uploaded(picture, filename="kettle.jpg")
    answer = await shop.process(ticket["mediaId"], wait=True)
    assert answer.status == 200, answer.body
    return Kettle(picture, ticket, asked_at, answer.body)


@pytest.fixture(scope="module")
async def ticket(shop: MediaShop) -> Any:
    """For a PUT that has not been made; those of these tests are refused."""
    return await shop.ticket(unlike("never stored", 0))


async def test_an_upload_url_comes_with_all_that_the_put_needs(kettle: Kettle, stack: Stack) -> None:
    """Six fields; the key is ours, and the URL lasts five minutes."""
    ticket = kettle.ticket
    assert ticket.keys() == {"mediaId", "uploadUrl", "headers", "publicUrl", "key", "expiresAt"}
    assert uuid.UUID(ticket["mediaId"]).version == 7
    assert ticket["headers"]["Content-Type"] == "image/jpeg"
    kind, entity, name = ticket["key"].split("/")
    assert (kind, entity, name) == ("product", kettle.record["entityId"], f"{ticket['mediaId']}.jpg")
    assert ticket["publicUrl"] == f"{stack['media_url'].rstrip('/')}/{ticket['key']}"
    lasts = (datetime.fromisoformat(ticket["expiresAt"]) - kettle.asked_at).total_seconds()
    assert 295 <= lasts <= 305
    assert ticket["uploadUrl"].startswith(stack["s3_upload_endpoint"])
    assert parse_qs(urlsplit(ticket["uploadUrl"]).query)["X-Amz-Expires"] == ["300"]


async def test_a_ready_record_has_every_field(kettle: Kettle) -> None:
    """What was declared, what was found, and the product's set of variants in its order."""
    record, picture = kettle.record, kettle.picture
    assert record["status"] == "READY"
    assert "reason" not in record
    assert "reasonDetail" not in record
    said = (
        "mediaId",
        "contentType",
        "bytes",
        "width",
        "height",
        "sha256",
        "entityType",
        "filename",
        "key",
        "publicUrl",
    )
    assert [record[name] for name in said] == [
        kettle.ticket["mediaId"], "image/jpeg", len(picture.content), 1800, 1200,
        hashlib.sha256(picture.content).hexdigest(), "product", "kettle.jpg",
        kettle.ticket["key"], kettle.ticket["publicUrl"],
    ]  # fmt: skip
    assert 15 <= len(base64.b64decode(record["thumbhash"], validate=True)) <= 30
    dominant = tuple(bytes.fromhex(record["dominantColor"].removeprefix("#")))
    assert min(sum(abs(a - b) for a, b in zip(dominant, one, strict=True)) for one in QUADRANTS) < 40
    assert names(record) == PRODUCT_SET
    assert all(
        one.keys() == {"name", "url", "width", "height", "bytes", "format"} for one in record["variants"]
    )
    assert record["createdAt"] <= record["updatedAt"]


async def test_the_original_can_be_fetched_by_everybody(kettle: Kettle, shop: MediaShop) -> None:
    """Byte for byte, under its type."""
    fetched = await shop.fetch(kettle.ticket["publicUrl"])
    assert (fetched.status, fetched.body) == (200, kettle.picture.content)
    assert fetched.headers["Content-Type"] == "image/jpeg"


async def test_the_public_door_only_shows(kettle: Kettle, shop: MediaShop, stack: Stack) -> None:
    """Nobody writes, deletes or lists there, and the store itself refuses whoever has no signature."""
    url = variant(kettle.record, "thumb")["url"]
    for method in ("PUT", "POST", "DELETE"):
        async with shop.session.request(method, url, data=b"x") as answer:
            assert answer.status in {403, 405, 501}, method
    assert (await shop.fetch(stack["media_url"].rstrip("/") + "/")).status in {403, 404}
    unsigned = kettle.ticket["uploadUrl"].partition("?")[0]
    assert (await shop.fetch(unsigned)).status in {400, 403}
    assert (await shop.fetch(url)).status == 200


async def test_the_store_refuses_another_type(shop: MediaShop, ticket: Any) -> None:
    """The type is part of the signature."""
    put = await shop.put(ticket, unlike("never stored", 0).content, Content_Type="text/html")
    assert put.status == 403


async def test_the_store_refuses_another_length(shop: MediaShop, ticket: Any) -> None:
    """Longer or shorter by one byte."""
    content = unlike("never stored", 0).content
    for other in (content + b"\0", content[:-1]):
        assert (await shop.put(ticket, other)).status == 403


async def test_the_store_refuses_another_key(shop: MediaShop, ticket: Any) -> None:
    """A URL is good for its own place alone, also within the bucket."""
    other = ticket["uploadUrl"].replace(ticket["mediaId"], str(uuid.uuid4()))
    variants = ticket["uploadUrl"].replace("/product/", "/_variants/")
    for url in (other, variants):
        assert url != ticket["uploadUrl"]
        assert (await shop.put(ticket, unlike("never stored", 0).content, url=url)).status == 403


async def test_the_store_refuses_a_longer_life(shop: MediaShop, ticket: Any) -> None:
    """Nobody puts off the end of a URL."""
    for old, new in (("X-Amz-Expires=300", "X-Amz-Expires=86400"), ("X-Amz-Date=20", "X-Amz-Date=21")):
        url = ticket["uploadUrl"].replace(old, new)
        assert url != ticket["uploadUrl"]
        put = await shop.put(ticket, unlike("never stored", 0).content, url=url)
        assert put.status in {400, 403}, put.body


async def test_what_was_not_uploaded_is_not_processed(shop: MediaShop) -> None:
    """The call says so, and the picture stays PENDING until it is there."""
    picture = unlike("late", uuid.uuid4().int)
    ticket = await shop.ticket(picture)
    early = await shop.process(ticket["mediaId"], wait=True)
    assert (early.status, early.body["reason"]) == (400, "UPLOAD_MISSING")
    assert (await shop.record(ticket["mediaId"]))["status"] == "PENDING"

    await shop.put(ticket, picture.content)
    assert (await shop.processed(ticket["mediaId"]))["status"] == "READY"


async def test_who_does_not_wait_sees_it_later(shop: MediaShop) -> None:
    """PROCESSING at once, without anything of a READY picture, then READY; the key serves as the id does."""
    ticket = await shop.uploaded(unlike("not waited for", uuid.uuid4().int))
    answer = await shop.api.post(f"{MEDIA}/process", {"key": ticket["key"]})
    assert (answer.status, answer.body["status"]) == (200, "PROCESSING")
    assert answer.body.get("variants", []) == []
    record = await shop.finished(ticket["mediaId"])
    assert (record["status"], names(record)) == ("READY", PRODUCT_SET)


async def test_a_browser_of_another_origin_may_upload(shop: MediaShop) -> None:
    """The preflight allows the PUT with its headers, the checksum too, and the PUT's answer may be read."""
    picture = unlike("from a browser", uuid.uuid4().int)
    ticket = await shop.ticket(picture, sha256=hashlib.sha256(picture.content).hexdigest())
    wanted = sorted(name.lower() for name in ticket["headers"])
    asked = {
        "Origin": FRONTEND,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": ",".join(wanted),
    }
    async with shop.session.options(ticket["uploadUrl"], headers=asked) as preflight:
        allowed = preflight.headers
        assert preflight.status in {200, 204}
    put = await shop.put(ticket, picture.content, Origin=FRONTEND)

    assert wanted == ["content-type", SHA256_HEADER]
    assert "PUT" in allowed["Access-Control-Allow-Methods"]
    assert set(wanted) <= {
        part.strip().lower() for part in allowed["Access-Control-Allow-Headers"].split(",")
    }
    assert allowed["Access-Control-Allow-Origin"] in {"*", FRONTEND}
    assert put.status == 200, put.body
    assert put.headers["Access-Control-Allow-Origin"] in {"*", FRONTEND}
    assert (await shop.processed(ticket["mediaId"]))["status"] == "READY"


async def test_other_bytes_than_declared_are_found_out(shop: MediaShop) -> None:
    """By a store that checks, else when they are processed."""
    picture = unlike("declared", uuid.uuid4().int)
    other = replace(picture, content=picture.content[:-3] + b"\0" + picture.content[-2:])
    ticket = await shop.ticket(picture, sha256=hashlib.sha256(picture.content).hexdigest())
    if (await shop.put(ticket, other.content)).status == 200:
        record = await shop.processed(ticket["mediaId"])
        assert (record["status"], record["reason"]) == ("REJECTED", "CHECKSUM_MISMATCH")


async def test_processed_twice_makes_one_set(shop: MediaShop) -> None:
    """Ten calls at once and one more say the same."""
    ticket = await shop.uploaded(unlike("twice", uuid.uuid4().int))
    answers = await asyncio.gather(*(shop.processed(ticket["mediaId"]) for _ in range(10)))
    again = await shop.process(ticket["mediaId"], wait=True)

    assert {json.dumps(urls(record)) for record in [*answers, again.body]} == {json.dumps(urls(answers[0]))}
    assert names(again.body) == PRODUCT_SET
    assert {record["status"] for record in [*answers, again.body]} == {"READY"}


async def test_same_bytes_share_their_variants_until_the_last_goes(shop: MediaShop) -> None:
    """Deleting one picture removes its original; the variants stay for the other, and go with that."""
    picture = unlike("shared", uuid.uuid4().int)
    first, second = await asyncio.gather(shop.added(picture), shop.added(picture))
    assert urls(first) == urls(second)
    assert first["publicUrl"] != second["publicUrl"]

    deleted = await shop.api.call("DELETE", f"{MEDIA}/{first['mediaId']}")
    assert deleted.status == 200
    assert (await shop.api.get(f"{MEDIA}/{first['mediaId']}")).body["reason"] == "MEDIA_NOT_FOUND"
    await gone(shop, first["publicUrl"])
    assert {(await shop.fetch(url)).status for url in [*urls(second), second["publicUrl"]]} == {200}

    await shop.api.call("DELETE", f"{MEDIA}/{second['mediaId']}")
    await asyncio.gather(*(gone(shop, url) for url in [*urls(second), second["publicUrl"]]))
    again = await shop.added(picture)
    assert {(await shop.fetch(url)).status for url in urls(again)} == {200}


async def test_pictures_are_listed_by_what_they_belong_to(shop: MediaShop) -> None:
    """The oldest first, in pages, PENDING ones as well."""
    entity = new_entity()
    tickets = [await shop.ticket(unlike("listed", number), entityId=entity) for number in range(3)]
    filter_ = {"entityType": "product", "entityId": entity}
    seen, token = [], ""
    for _ in range(2):
        page = await shop.api.get(MEDIA, params={**filter_, "pageSize": "2", "pageToken": token})
        seen += [record["mediaId"] for record in page.body["media"]]
        token = page.body.get("nextPageToken", "")
    assert seen == [ticket["mediaId"] for ticket in tickets]
    assert token == ""
    other = await shop.api.get(MEDIA, params={"entityType": "category", "entityId": entity})
    assert other.body.get("media", []) == []


async def test_names_of_files_and_things_become_no_paths(shop: MediaShop, stack: Stack) -> None:
    """Whatever the id holds, the key has plain letters; the file's name is kept for people alone."""
    entity, filename = "Töpfe & Pfannen/../№ 7?#%2e", "größer 🫖 (1).jpg.exe"
    record = await shop.added(unlike("named", uuid.uuid4().int), entityId=entity, filename=filename)
    assert (record["entityId"], record["filename"]) == (entity, filename)
    assert record["key"].isascii()
    parts = record["key"].split("/")
    assert len(parts) == 3
    assert parts[2] == f"{record['mediaId']}.jpg"
    assert set(parts[1]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert {(await shop.fetch(url)).status for url in [record["publicUrl"], *urls(record)]} == {200}
