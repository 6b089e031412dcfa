"""The object store that pictures are kept in: any S3. What keys there are and what they mean is elsewhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import structlog

from server.media.settings import MediaSettings
from server.media.store_clients import StoreClients, open_clients, public_base
from server.media.store_errors import ObjectMissing, ObjectTooLarge, StoreUnavailable, translated

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

__all__ = (
    "ObjectFacts",
    "ObjectMissing",
    "ObjectStore",
    "ObjectTooLarge",
    "PresignedPut",
    "StoreUnavailable",
)

log = structlog.get_logger(__name__)

_CHUNK_BYTES: Final = 256 * 1024
# Both as S3 has them: keys of one page of a listing, and of one request to delete.
_PAGE: Final = 1_000
_PROBE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the store says of an object. Listings do not say the content type: it is None there."""

    key: str
    size: int
    content_type: str | None
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class PresignedPut:
    """A PUT that anybody may send who has it, with exactly these headers and the length that was signed.

    Content-Length is signed too, but not in `headers`: every client sends it by itself, and browsers let
    nobody set it.
    """

    url: str
    headers: Mapping[str, str]


class ObjectStore:
    """A bucket. Opens its connections when first asked for something; whoever makes it calls `close`.

    Every method that asks the store raises StoreUnavailable when there is no answer to be had; after that
    the same ObjectStore can be asked again.
    """

    def __init__(self, settings: MediaSettings) -> None:
        self._settings = settings
        self._bucket = settings.s3_bucket
        self._public_base = public_base(settings)
        self._opened: AsyncExitStack | None = None
        self._clients: StoreClients | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Makes the clients, once; connects to nothing. Raises StoreUnavailable without credentials."""
        await self._open()

    async def close(self) -> None:
        """Closes every connection. Asking for something after that opens them again."""
        async with self._opening:
            opened, self._opened, self._clients = self._opened, None, None
            if opened is not None:
                await opened.aclose()

    async def presign_put(
        self, key: str, *, content_type: str, size: int, sha256: bytes | None, expires_seconds: int
    ) -> PresignedPut:
        """Signs a PUT of `size` bytes of this type, with the checksum when it is given. Asks nobody."""
        signed: dict[str, Any] = {"ContentType": content_type, "ContentLength": size}
        headers = {"Content-Type": content_type}
        if sha256 is not None:
            checksum = base64.b64encode(sha256).decode()
            signed["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = checksum
        clients = await self._open()
        with translated("presign", key):
            url = await clients.presigning.generate_presigned_url(
                "put_object",
                Params={"Bucket": self._bucket, "Key": key, **signed},
                ExpiresIn=expires_seconds,
            )
        return PresignedPut(url=url, headers=headers)

    async def presign_read(self, key: str, *, method: str, expires_seconds: int) -> str:
        """Signs a GET or HEAD for our own side of the store. Asks nobody, not even whether it exists."""
        operation = "head_object" if method == "HEAD" else "get_object"
        client = await self._client()
        with translated("presign", key):
            return await client.generate_presigned_url(
                operation, Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=expires_seconds
            )

    async def head(self, key: str) -> ObjectFacts:
        """What the store says of an object; raises ObjectMissing."""
        client = await self._client()
        with translated("head", key):
            answer = await client.head_object(Bucket=self._bucket, Key=key)
        return ObjectFacts(
            key=key,
            size=answer["ContentLength"],
            content_type=answer.get("ContentType"),
            modified_at=answer["LastModified"],
        )

    async def read_start(self, key: str, length: int) -> bytes:
        """The first `length` bytes, fewer when there are no more; raises ObjectMissing."""
        client = await self._client()
        with translated("read start", key):
            try:
                answer = await client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes=0-{length - 1}")
            except client.exceptions.ClientError as error:
                if _is_empty(error.response):
                    return b""
                raise
            return await _first_bytes(answer["Body"], length)

    async def read(self, key: str, *, limit: int) -> bytes:
        """The whole object; raises ObjectMissing, and ObjectTooLarge rather than hold over `limit` bytes."""
        client = await self._client()
        with translated("read", key):
            answer = await client.get_object(Bucket=self._bucket, Key=key)
            content = await _first_bytes(answer["Body"], limit + 1)
        if len(content) > limit:
            raise ObjectTooLarge(key)
        return content

    async def write(
        self, key: str, body: bytes, *, content_type: str, cache_control: str | None = None
    ) -> None:
        """Puts an object in place of whatever had this key; all of it or nothing."""
        headers = {} if cache_control is None else {"CacheControl": cache_control}
        client = await self._client()
        with translated("write", key):
            await client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                **headers,  # type: ignore[arg-type]  # the stubs cannot tell which key it holds
            )

    async def delete(self, keys: Sequence[str]) -> None:
        """Removes objects; missing ones are no error. After StoreUnavailable some may be gone already."""
        client = await self._client()
        for start in range(0, len(keys), _PAGE):
            some = keys[start : start + _PAGE]
            with translated("delete", some[0]):
                answer = await client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True}
                )
            _require_deleted(answer.get("Errors", []))

    async def pages(self, *, prefix: str = "") -> AsyncIterator[Sequence[ObjectFacts]]:
        """Every object below `prefix` in byte order of keys, up to 1,000 at a time."""
        client = await self._client()
        token: dict[str, Any] = {}
        while True:
            with translated("list", prefix):
                answer = await client.list_objects_v2(
                    Bucket=self._bucket, Prefix=prefix, MaxKeys=_PAGE, **token
                )
            if found := [_listed(item) for item in answer.get("Contents", [])]:
                yield found
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    def public_url(self, key: str) -> str:
        """Where everybody may read the object."""
        return f"{self._public_base}/{quote(key)}"

    async def probe(self) -> str:
        """`up` when the bucket answers us within three seconds, else `down`; raises nothing."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                client = await self._client()
                with translated("probe"):
                    await client.head_bucket(Bucket=self._bucket)
        except (StoreUnavailable, ObjectMissing, TimeoutError):
            return "down"
        return "up"

    async def _client(self) -> S3Client:
        return (await self._open()).objects

    async def _open(self) -> StoreClients:
        """The clients, made by the first who wants them; after a failure by the next."""
        if self._clients is not None:
            return self._clients
        async with self._opening:
            if self._clients is None:
                async with AsyncExitStack() as opened:
                    clients = await open_clients(self._settings, opened)
                    self._opened = opened.pop_all()
                    self._clients = clients
            return self._clients


async def _first_bytes(body: Any, most: int) -> bytes:
    """Up to `most` bytes of a body. The rest is never read: closing drops its connection."""
    pieces: list[bytes] = []
    async with body:
        while most > 0:
            piece = await body.read(min(_CHUNK_BYTES, most))
            if not piece:
                break
            pieces.append(piece)
            most -= len(piece)
    # Put together once: growing to the size of a picture costs more than receiving it.
    return b"".join(pieces)


def _is_empty(answer: Mapping[str, Any]) -> bool:
    """Whether a range from the first byte on was refused, which only an object without bytes does."""
    return bool(answer["ResponseMetadata"]["HTTPStatusCode"] == 416)


def _listed(item: Mapping[str, Any]) -> ObjectFacts:
    return ObjectFacts(
        key=item["Key"], size=item["Size"], content_type=None, modified_at=item["LastModified"]
    )


def _require_deleted(errors: Sequence[Mapping[str, Any]]) -> None:
    kept = [error for error in errors if error.get("Code") != "NoSuchKey"]
    if not kept:
        return
    log.error("objects_not_deleted", count=len(kept), code=kept[0].get("Code"), key=kept[0].get("Key"))
    raise StoreUnavailable(f"delete: the store kept {len(kept)} objects")
