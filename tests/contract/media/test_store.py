"""The object store against a real S3 server: what is signed, read, listed, removed; and when it is away."""

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from server.media.settings import MediaSettings
from server.media.store import (
    ObjectFacts,
    ObjectMissing,
    ObjectStore,
    ObjectTooLarge,
    PresignedPut,
    StoreUnavailable,
)
from server.standalone.backing import s3

KEY = "product/kettle/1.jpg"
BODY = b"\xff\xd8\xff as many bytes as were announced"
PNG = {"Content-Type": "image/png"}


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def presign(
    store: ObjectStore, *, sha256: bytes | None = None, expires_seconds: int = 300
) -> PresignedPut:
    return await store.presign_put(
        KEY, content_type="image/jpeg", size=len(BODY), sha256=sha256, expires_seconds=expires_seconds
    )


async def test_a_presigned_put_uploads_what_was_announced(
    store: ObjectStore, browser: aiohttp.ClientSession
) -> None:
    """With the headers that it names and nothing else; the object has the type and the length."""
    put = await presign(store, sha256=hashlib.sha256(BODY).digest())
    assert set(put.headers) == {"Content-Type", "x-amz-checksum-sha256"}
    started_at = time.time()
    assert (await browser.put(put.url, data=BODY, headers=put.headers)).status == 200
    found = await store.head(KEY)
    assert (found.key, found.size, found.content_type) == (KEY, len(BODY), "image/jpeg")
    assert abs(found.modified_at.timestamp() - started_at) < 60


@dataclasses.dataclass(frozen=True)
class Wrong:
    """One thing that differs from what was signed."""

    body: bytes = BODY
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    url: Callable[[str], str] = str


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Wrong(headers=PNG), id="another type"),
        pytest.param(Wrong(body=BODY + b"1"), id="a byte more"),
        pytest.param(Wrong(body=BODY[:-1]), id="a byte less"),
        pytest.param(Wrong(url=lambda url: url.replace("1.jpg", "2.jpg")), id="another key"),
        pytest.param(
            Wrong(headers={"x-amz-checksum-sha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}),
            id="another checksum",
        ),
    ],
)
async def test_a_changed_upload_is_refused(
    store: ObjectStore, browser: aiohttp.ClientSession, wrong: Wrong
) -> None:
    """By the store itself, before anything is written."""
    put = await presign(store, sha256=hashlib.sha256(BODY).digest())
    headers = {**put.headers, **wrong.headers}
    answer = await browser.put(wrong.url(put.url), data=wrong.body, headers=headers)
    assert answer.status == 403
    assert [page async for page in store.pages()] == []


async def test_a_late_upload_is_refused(store: ObjectStore, browser: aiohttp.ClientSession) -> None:
    """A second after its end. The store's clock counts whole seconds."""
    put = await presign(store, expires_seconds=1)
    await asyncio.sleep(2.1)
    answer = await browser.put(put.url, data=BODY, headers=put.headers)
    assert answer.status in {400, 403}
    with pytest.raises(ObjectMissing):
        await store.head(KEY)


async def test_browsers_are_sent_to_their_own_address(media_settings: MediaSettings) -> None:
    """What they send is signed for the upload's endpoint, what we send for ours."""
    elsewhere = {"s3_upload_endpoint": "https://uploads.shop.example"}
    store = ObjectStore(media_settings.model_copy(update=elsewhere))
    try:
        put = await presign(store)
        assert put.url.startswith(f"https://uploads.shop.example/{media_settings.s3_bucket}/{KEY}?")
        await store.write(KEY, BODY, content_type="image/jpeg")
        assert await store.read(KEY, limit=100) == BODY
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("region", "bucket", "base"),
    [
        ("eu-central-1", "pictures", "https://pictures.s3.eu-central-1.amazonaws.com/"),
        ("us-east-1", "pictures", "https://pictures.s3.us-east-1.amazonaws.com/"),
        # No certificate is good for a name with a dot in front.
        ("eu-central-1", "my.pictures", "https://s3.eu-central-1.amazonaws.com/my.pictures/"),
    ],
)
async def test_amazons_own_is_addressed_by_its_region(region: str, bucket: str, base: str) -> None:
    """Without an endpoint; the global host name would answer a browser's PUT with a redirect."""
    settings = MediaSettings(
        s3_region=region, s3_bucket=bucket, s3_access_key="a key", s3_secret_key=SecretStr("a secret")
    )
    store = ObjectStore(settings)
    try:
        assert (await presign(store)).url.startswith(f"{base}{KEY}?")
    finally:
        await store.close()


async def test_a_read_never_holds_more_than_its_limit(store: ObjectStore) -> None:
    """As many bytes as allowed are read, one more is refused; the next read finds a connection."""
    content = bytes(range(250)) * 2_800
    await store.write(KEY, content, content_type="image/jpeg")
    assert await store.read(KEY, limit=700_000) == content
    for _ in range(40):  # more than there are connections
        with pytest.raises(ObjectTooLarge):
            await store.read(KEY, limit=100_000)
    assert await store.read_start(KEY, 5) == content[:5]
    assert await store.read_start(KEY, 1_000_000) == content


async def test_an_empty_object_has_an_empty_start(store: ObjectStore) -> None:
    """Though no range of it can be had."""
    await store.write(KEY, b"", content_type="image/jpeg")
    assert await store.read_start(KEY, 5) == b""
    assert await store.read(KEY, limit=0) == b""


async def test_what_is_not_there_is_said(store: ObjectStore) -> None:
    """By every way of reading; and removing it is no error."""
    for reading in (store.head(KEY), store.read_start(KEY, 5), store.read(KEY, limit=5)):
        with pytest.raises(ObjectMissing):
            await reading
    await store.delete([KEY])
    await store.delete([])


async def test_what_is_written_is_served_with_its_headers(
    store: ObjectStore, browser: aiohttp.ClientSession
) -> None:
    """Type and freshness are those that were given, by a presigned read too."""
    await store.write("_variants/a.webp", b"RIFF", content_type="image/webp", cache_control="max-age=1")
    url = await store.presign_read("_variants/a.webp", method="GET", expires_seconds=60)
    answer = await browser.get(url)
    assert (answer.status, await answer.read()) == (200, b"RIFF")
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("image/webp", "max-age=1")


async def all_of(store: ObjectStore, prefix: str = "") -> list[ObjectFacts]:
    return [facts async for page in store.pages(prefix=prefix) for facts in page]


async def test_a_large_bucket_is_listed_in_the_order_of_bytes(tmp_path: Path) -> None:
    """Page by page and each object once, also where slashes sort late; all can be removed."""
    keys = {f"p/{number % 7}/{number}" for number in range(2_100)} | {"p-1", "p0", "P/a", "_variants/b"}
    for key in keys:  # as files, before the server looks: quicker than so many uploads
        file = tmp_path / "s3" / s3.BUCKET / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(key.encode())
    async with s3.running_object_store(tmp_path) as (server, _):
        store = ObjectStore(settings_of(server))
        try:
            sizes = [len(page) async for page in store.pages()]
            assert sizes == [1_000, 1_000, len(keys) - 2_000]
            found = await all_of(store)
            assert [facts.key for facts in found] == sorted(keys)
            assert all(facts.size == len(facts.key) and facts.content_type is None for facts in found)
            below = [facts.key for facts in await all_of(store, "p/1/1")]
            assert below == sorted(key for key in keys if key.startswith("p/1/1"))
            await store.delete([*keys, "never there"])
            assert await all_of(store) == []
        finally:
            await store.close()


def settings_of(server: s3.ObjectStore) -> MediaSettings:
    return MediaSettings(
        s3_endpoint=server.endpoint,
        s3_bucket=server.bucket,
        s3_access_key=server.access_key,
        s3_secret_key=SecretStr(server.secret_key),
    )


async def test_a_store_that_was_away_is_used_again(tmp_path: Path, unused_port: int) -> None:
    """Everything asked of it meanwhile says so, and the same ObjectStore goes on once it is back."""
    server = s3.prepare(tmp_path, port=unused_port)
    store = ObjectStore(settings_of(server))
    try:
        assert await store.probe() == "down"
        with pytest.raises(StoreUnavailable):
            await store.write(KEY, BODY, content_type="image/jpeg")
        async with s3.running_object_store(tmp_path, port=unused_port):
            await store.write(KEY, BODY, content_type="image/jpeg")
            assert await store.probe() == "up"
        with pytest.raises(StoreUnavailable):
            await all_of(store)
        async with s3.running_object_store(tmp_path, port=unused_port):
            assert await store.read(KEY, limit=100) == BODY
    finally:
        await store.close()


async def test_an_answer_that_breaks_off_is_no_object() -> None:
    """Half of its bytes are not taken for all of them."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: "a"\r\n\r\n12345')
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(half, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        endpoint = f"http://127.0.0.1:{port}"
        secret = SecretStr("a secret")
        store = ObjectStore(MediaSettings(s3_endpoint=endpoint, s3_access_key="a key", s3_secret_key=secret))
        try:
            with pytest.raises(StoreUnavailable):
                await store.read(KEY, limit=100)
        finally:
            await store.close()


async def test_a_store_that_sends_us_elsewhere_is_unavailable(capsys: pytest.CaptureFixture[str]) -> None:
    """Without saying where to, so there is no sense in asking again; the log says what to look at."""

    asked: list[asyncio.StreamReader] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                asked.append(reader)
                writer.write(b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        secret = SecretStr("a secret")
        store = ObjectStore(MediaSettings(s3_endpoint=endpoint, s3_access_key="a key", s3_secret_key=secret))
        try:
            with pytest.raises(StoreUnavailable):
                await store.head(KEY)
            assert await store.probe() == "down"
        finally:
            await store.close()
    assert len(asked) == 2
    assert "object_store_refused_us" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"s3_secret_key": SecretStr("not the secret")}, id="wrong keys"),
        pytest.param({"s3_bucket": "no-such-bucket"}, id="no bucket"),
    ],
)
async def test_a_wrong_set_up_is_said_in_the_log(
    media_settings: MediaSettings, changed: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to look at; callers hear only that the store cannot be used."""
    store = ObjectStore(media_settings.model_copy(update=changed))
    try:
        with pytest.raises(StoreUnavailable) as refused:
            await all_of(store)
        assert "not the secret" not in str(refused.value)
        said = capsys.readouterr().out
        assert "object_store_refused_us" in said
        assert "MILLRACE_S3_BUCKET" in said
        assert await store.probe() == "down"
    finally:
        await store.close()


async def test_credentials_may_come_later(
    media_settings: MediaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without any, opening fails and says which are missing; the next use looks for them again."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    store = ObjectStore(media_settings.model_copy(update={"s3_access_key": None, "s3_secret_key": None}))
    try:
        with pytest.raises(StoreUnavailable, match="credentials"):
            await store.open()
        assert "MILLRACE_S3_ACCESS_KEY" in capsys.readouterr().out
        assert media_settings.s3_access_key
        assert media_settings.s3_secret_key
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", media_settings.s3_access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", media_settings.s3_secret_key.get_secret_value())
        assert await store.probe() == "up"
    finally:
        await store.close()


async def test_many_at_once_open_it_once(
    media_settings: MediaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one who asks opens it for all; closing leaves a store that opens again."""
    from aiobotocore.session import AioSession

    made: list[str] = []
    create = AioSession.create_client

    def counted(self: AioSession, service: str, **options: object) -> object:
        made.append(service)
        return create(self, service, **options)

    monkeypatch.setattr(AioSession, "create_client", counted)
    store = ObjectStore(media_settings)
    assert await asyncio.gather(*(store.probe() for _ in range(20))) == ["up"] * 20
    assert made == ["s3"]
    await store.close()
    await store.close()
    assert await store.probe() == "up"
    assert made == ["s3", "s3"]
    await store.close()


def test_nothing_heavy_is_imported_before_it_is_opened() -> None:
    """A process that may never need the store does not wait for its library."""
    probe = (
        "import sys, server.media.store; sys.exit({'botocore', 'aiobotocore'} & sys.modules.keys() != set())"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"media_public_url": "https://cdn.shop.example/p/"}, f"https://cdn.shop.example/p/{KEY}"),
        ({"s3_endpoint": "http://s3:9000"}, f"http://s3:9000/media/{KEY}"),
        ({"s3_region": "eu-central-1"}, f"https://media.s3.eu-central-1.amazonaws.com/{KEY}"),
    ],
)
def test_a_picture_has_one_public_address(settings: dict[str, str], url: str) -> None:
    """Below what was set, else where the store itself would serve it."""
    assert ObjectStore(MediaSettings.model_validate(settings)).public_url(KEY) == url
