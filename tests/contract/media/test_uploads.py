"""Upload URLs: what is answered and recorded, and what the store takes and refuses."""

import asyncio
import hashlib
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from millrace.streams.ids import id_time_ms
from server.db.engine import Sessions
from server.errors import InvalidArgument, Unavailable
from server.jobs.enqueueing import Jobs
from server.media.assembly import build_media
from server.media.recipes import DEFAULT_SETS
from server.media.settings import MediaSettings
from server.media.store import ObjectMissing, ObjectStore
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules
from tests.contract.media.conftest import PUBLIC_URL
from tests.contract.media.pictures import FORMATS, Pictures, picture, put

BODY = picture("image/png")


async def test_an_upload_url_comes_with_all_that_an_uploader_needs(pictures: Pictures) -> None:
    """Id, key, URL, headers, public URL and expiry are answered, and the picture is recorded as PENDING."""
    before = datetime.now(UTC)
    given = await pictures.upload_url(BODY, filename="Kettle ☕.png", entity_id="sku 1/ä")
    media_id = uuid.UUID(given.media_id)
    assert media_id.version == 7
    assert abs(id_time_ms(media_id.bytes) / 1000 - before.timestamp()) < 5
    assert given.key == f"product/sku-1-/{media_id}.png"
    assert given.public_url == f"{PUBLIC_URL}/{given.key}"
    assert given.headers == {"Content-Type": "image/png"}
    lasts = given.expires_at.ToDatetime(UTC) - before
    assert timedelta(seconds=298) < lasts <= timedelta(seconds=301)
    assert given.key in given.upload_url
    media = await pictures.get(given.media_id)
    assert media.Status.Name(media.status) == "PENDING"
    assert (media.filename, media.bytes, media.entity_id) == ("Kettle ☕.png", len(BODY), "sku 1/ä")
    unknown = {"reason", "reason_detail", "width", "height", "sha256", "thumbhash", "dominant_color"}
    assert not unknown & {each.name for each, _ in media.ListFields()}
    assert not media.variants


async def test_every_type_is_uploaded_by_one_put(pictures: Pictures) -> None:
    """A file of each type that is taken lands under its key, with its extension and its type."""
    for content_type in FORMATS:
        body = picture(content_type)
        given = await pictures.upload_url(body, content_type=content_type.upper())
        assert await put(given.upload_url, body, given.headers) == 200
        facts = await pictures.store.head(given.key)
        assert (facts.size, facts.content_type) == (len(body), content_type)
        extension = {"image/jpeg": "jpg"}.get(content_type, content_type.removeprefix("image/"))
        assert given.key.endswith(f"{given.media_id}.{extension}")


OTHER_PUTS: dict[str, tuple[bytes, dict[str, str], tuple[str, str] | None]] = {
    "another type": (BODY, {"Content-Type": "text/html"}, None),
    "a parameter": (BODY, {"Content-Type": "image/png; charset=x"}, None),
    "a byte more": (BODY + b"x", {}, None),
    "a byte less": (BODY[:-1], {}, None),
    "nothing": (b"", {}, None),
    "another thing's key": (BODY, {}, ("product/", "partner/")),
    "another extension": (BODY, {}, (".png?", ".html?")),
    "a longer life": (BODY, {}, ("X-Amz-Expires=300", "X-Amz-Expires=9000")),
}


async def test_the_store_refuses_any_other_put(pictures: Pictures) -> None:
    """Type, length, key and expiry are signed: a PUT that differs in one of them stores nothing."""
    for name, (body, headers, swap) in OTHER_PUTS.items():
        given = await pictures.upload_url(BODY)
        url = given.upload_url.replace(*swap) if swap else given.upload_url
        assert (url == given.upload_url) is (swap is None), name
        assert await put(url, body, {**given.headers, **headers}) == 403, name
        with pytest.raises(ObjectMissing):
            await pictures.store.head(given.key)


async def test_the_store_refuses_a_put_after_expiry(pictures: Pictures) -> None:
    """A URL that was good is refused once its time is over."""
    given = await pictures.upload_url(BODY)
    signed = await pictures.store.presign_put(
        given.key, content_type="image/png", size=len(BODY), sha256=None, expires_seconds=1
    )
    async with asyncio.timeout(10):
        while (status := await put(signed.url, BODY, signed.headers)) == 200:
            await asyncio.sleep(0.1)
    assert status in (400, 403)


async def test_other_methods_are_not_signed(pictures: Pictures) -> None:
    """Whoever may upload may neither read nor delete by the same URL."""
    given = await pictures.upload_url(BODY)
    assert await put(given.upload_url, BODY, given.headers) == 200
    async with aiohttp.ClientSession() as browser:
        for method in ("GET", "DELETE", "POST"):
            async with browser.request(method, given.upload_url) as answer:
                assert answer.status >= 400
    assert (await pictures.store.head(given.key)).size == len(BODY)


async def test_a_checksum_is_signed_when_it_is_given(pictures: Pictures) -> None:
    """The checksum is kept, sent along as a header, and part of the signature."""
    sha256 = hashlib.sha256(BODY)
    given = await pictures.upload_url(BODY, sha256=sha256.hexdigest().upper())
    assert set(given.headers) == {"Content-Type", "x-amz-checksum-sha256"}
    assert (await pictures.stored(given.media_id)).declared_sha256 == sha256.digest()
    assert await put(given.upload_url, BODY, {"Content-Type": "image/png"}) == 403
    assert await put(given.upload_url, BODY, given.headers) == 200


OTHER_TYPES = (
    "image/svg+xml",
    "image/jpg",
    "image/heic",
    "image/png; charset=utf-8",
    "image/png ",
    " image/png",
    "image/*",
    "text/html",
    "png",
    "image/png\0",
    "image/png\r\nx: y",
)


async def test_other_types_are_refused(pictures: Pictures) -> None:
    """A type outside the list is TYPE_NOT_ALLOWED; the field's message names those that are taken."""
    for content_type in OTHER_TYPES:
        with pytest.raises(InvalidArgument) as refusal:
            await pictures.upload_url(BODY, content_type=content_type)
        assert refusal.value.reason == "TYPE_NOT_ALLOWED", content_type
        [violation] = refusal.value.fields
        assert violation.field == "content_type"
        assert re.findall(r"image/\w+", violation.message) == list(FORMATS)
    assert await pictures.column("SELECT count(*) FROM media") == [0]


HOSTILE_IDS = [
    ("../../etc/passwd", "-etc-passwd"),
    ("a/../../b", "a-b"),
    ("...", "-"),
    ("/", "-"),
    ("a\\b", "a-b"),
    ("%2e%2e%2f", "-2e-2e-2f"),
    ("kettle?x=1#y", "kettle-x-1-y"),
    ("☕🫖", "-"),
    ("ünïcode", "-n-code"),
    (" ", "-"),
    ("<script>", "-script-"),
    ("x" * 128, "x" * 128),
]


async def test_keys_are_cleaned_and_ids_kept(pictures: Pictures) -> None:
    """Whatever the thing's id is, the key is made of plain letters, the upload works, and the id is kept."""
    for entity_id, cleaned in HOSTILE_IDS:
        given = await pictures.upload_url(BODY, entity_id=entity_id)
        assert given.key == f"product/{cleaned}/{given.media_id}.png"
        assert await put(given.upload_url, BODY, given.headers) == 200
        assert (await pictures.get(given.media_id)).entity_id == entity_id


async def test_nothing_is_recorded_when_nothing_can_be_signed(
    sessions: Sessions, media_rules: ContractRules, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Without credentials the call is UNAVAILABLE, and there is no picture afterwards."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = ObjectStore(MediaSettings(s3_endpoint="http://127.0.0.1:9"))
    servicer = build_media(
        sessions=sessions,
        store=store,
        jobs=Jobs(lambda queue: None),
        variant_sets=DEFAULT_SETS,
        page_tokens=PageTokens([b"secret"]),
    )
    pictures = Pictures(servicer, media_rules, sessions, store)
    with pytest.raises(Unavailable) as refusal:
        await pictures.upload_url(BODY)
    await store.close()
    assert refusal.value.reason == "STORE_UNAVAILABLE"
    assert refusal.value.retry_after
    assert await pictures.column("SELECT count(*) FROM media") == [0]
