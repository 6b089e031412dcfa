"""What is found out about an upload when it is to be processed, before any work is spent on it."""

import struct
import zlib
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from millrace.media.v1.media_pb2 import Media
from server.db.engine import Sessions
from server.errors import FailedPrecondition
from server.jobs.enqueueing import Jobs
from server.media.assembly import build_media
from server.media.recipes import DEFAULT_SETS
from server.media.settings import MediaSettings
from server.media.store import ObjectStore
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules
from server.standalone.backing.s3 import running_object_store
from tests.contract.media.pictures import Pictures, picture, put


def bomb() -> bytes:
    """The header of a PNG of 50,000 by 50,000 pixels, and a little of its content."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(bytes(1000)), b"IEND"]
    written = [
        struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def far_header() -> bytes:
    """A JPEG whose dimensions stand behind 200 KB of metadata."""
    plain = picture("image/jpeg")
    segment = b"\xff\xe2" + struct.pack(">H", 65_000) + bytes(64_998)
    return plain[:2] + segment * 3 + plain[2:]


NOT_TAKEN = {
    "a JPEG declared as PNG": (picture("image/jpeg"), "image/png", "WRONG_TYPE"),
    "a WebP declared as GIF": (picture("image/webp"), "image/gif", "WRONG_TYPE"),
    "a web page": (b"<html><script>alert(1)</script>", "image/jpeg", "WRONG_TYPE"),
    "one byte": (b"\0", "image/avif", "WRONG_TYPE"),
    "50,000 by 50,000 pixels": (bomb(), "image/png", "TOO_MANY_PIXELS"),
}


async def test_bytes_that_are_not_taken_end_the_picture(pictures: Pictures) -> None:
    """The answer is REJECTED with the reason, no job is left, and asking again changes nothing."""
    for name, (body, declared, reason) in NOT_TAKEN.items():
        media_id = await pictures.uploaded(body, content_type=declared)
        answer = await pictures.process(media_id)
        assert answer.status == Media.REJECTED, name
        assert Media.Reason.Name(answer.reason) == reason, name
        assert answer.reason_detail.endswith(".")
        assert await pictures.get(media_id) == answer
        assert await pictures.process(media_id, {"name": "thumb"}) == answer
    assert await pictures.jobs() == []


async def test_another_length_than_declared_is_refused(pictures: Pictures) -> None:
    """An object that came to be there with another length is SIZE_MISMATCH, also when it is empty."""
    declared = picture("image/png")
    for body in (b"", declared[:-1], declared + b"\0"):
        given = await pictures.upload_url(declared)
        await pictures.store.write(given.key, body, content_type="image/png")
        answer = await pictures.process(given.media_id)
        assert (answer.status, answer.reason) == (Media.REJECTED, Media.SIZE_MISMATCH)


async def test_dimensions_that_stand_far_back_do_not_refuse_a_picture(pictures: Pictures) -> None:
    """What the first 64 KiB do not tell is left to the job."""
    media_id = await pictures.uploaded(far_header(), content_type="image/jpeg")
    assert (await pictures.process(media_id)).status == Media.PROCESSING
    assert await pictures.jobs() == [{"media_id": media_id}]


async def test_nothing_uploaded_is_no_end(pictures: Pictures) -> None:
    """Processing before the PUT is UPLOAD_MISSING and leaves the picture PENDING; after the PUT it works."""
    body = picture("image/png")
    given = await pictures.upload_url(body)
    with pytest.raises(FailedPrecondition) as refusal:
        await pictures.process(given.media_id)
    assert refusal.value.reason == "UPLOAD_MISSING"
    assert (await pictures.get(given.media_id)).status == Media.PENDING
    assert await pictures.jobs() == []
    assert await put(given.upload_url, body, given.headers) == 200
    assert (await pictures.process(given.media_id)).status == Media.PROCESSING


async def test_a_store_that_is_away_is_asked_later(
    sessions: Sessions, media_rules: ContractRules, services_folder: Path
) -> None:
    """While the store is down upload URLs are given out and pictures become PROCESSING, with their job."""
    state = services_folder / "gone"
    state.mkdir()
    async with running_object_store(state) as (server, _):
        settings = MediaSettings(
            s3_endpoint=server.endpoint,
            s3_access_key=server.access_key,
            s3_secret_key=SecretStr(server.secret_key),
        )
        store = ObjectStore(settings)
        servicer = build_media(
            sessions=sessions,
            store=store,
            jobs=Jobs(lambda queue: None),
            variant_sets=DEFAULT_SETS,
            page_tokens=PageTokens([b"secret"]),
        )
        pictures = Pictures(servicer, media_rules, sessions, store)
        media_id = await pictures.uploaded()
    with capture_logs() as logs:
        answer = await pictures.process(media_id)
    await store.close()
    assert answer.status == Media.PROCESSING
    assert await pictures.jobs() == [{"media_id": media_id}]
    assert [line["media_id"] for line in logs if line["event"] == "upload_not_verified"] == [media_id]
