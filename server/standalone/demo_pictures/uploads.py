"""Gives the demo shop's products their pictures: uploads them as any program of the shop would.

Every step can be repeated: a run that was cut short goes on where it was, and a second one changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import grpc

import millrace
from millrace.catalog.v1.catalog_service_pb2 import GetProductRequest, UpsertProductRequest
from millrace.catalog.v1.product_pb2 import Product
from millrace.errors import MillraceError
from millrace.media.v1.media_pb2 import Media
from millrace.media.v1.media_service_pb2 import (
    CreateUploadUrlRequest,
    DeleteMediaRequest,
    ListMediaRequest,
    ProcessMediaRequest,
)
from server.standalone.demo_pictures.picture import CONTENT_TYPE, draw

ENTITY_TYPE = "product"
# For all pictures together; they are drawn and made in parallel.
PATIENCE_SECONDS = 30.0
_AT_ONCE = 4
# The server waits for ten of them.
_CALL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A product that does not show its picture yet, and why."""

    product_id: str
    reason: str


async def give_pictures(
    client: millrace.Client, products: Sequence[Product], *, patience_seconds: float = PATIENCE_SECONDS
) -> list[Unfinished]:
    """Those of the products that show no picture in the end; a store that is away is a reason, no error."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience_seconds)) as http:
        giving = DemoPictures(client, http, deadline=time.monotonic() + patience_seconds)
        found = await asyncio.gather(*(giving.give(product) for product in products))
    return [each for each in found if each is not None]


class UploadRefused(Exception):  # noqa: N818 - named for what is so
    """The store did not take the bytes; says so without the URL, whose signature still lets others upload."""


class DemoPictures:
    """One run. `deadline` of the monotonic clock is when it stops waiting for pictures to be READY."""

    def __init__(self, client: millrace.Client, http: aiohttp.ClientSession, *, deadline: float) -> None:
        self._client = client
        self._http = http
        self._deadline = deadline
        self._drawing = asyncio.Semaphore(_AT_ONCE)

    async def give(self, product: Product) -> Unfinished | None:
        """Gives one product its picture; None when it shows one, or when it is not there any more."""
        try:
            stored = await self._stored(product.product_id)
            if stored is None:
                return None
            return await self._give(stored, product)
        except (MillraceError, UploadRefused, aiohttp.ClientError, TimeoutError) as error:
            return Unfinished(product.product_id, str(error) or type(error).__name__)

    async def _give(self, stored: Product, product: Product) -> Unfinished | None:
        mine = await self._earlier(product)
        if stored.image_media_ids and (mine is None or mine.media_id not in stored.image_media_ids):
            return None  # somebody has chosen others
        media = await self._processed(product, mine)
        # Named before it is READY: the catalogue shows it from then on.
        if media.media_id not in stored.image_media_ids:
            stored.image_media_ids[:] = [media.media_id]
            stored.ClearField("version")
            await self._client.catalog.UpsertProduct(UpsertProductRequest(product=stored))
        if media.status == Media.READY:
            return None
        return Unfinished(
            product.product_id, f"{Media.Status.Name(media.status)} {media.reason_detail}".strip()
        )

    async def _stored(self, product_id: str) -> Product | None:
        try:
            return await self._client.catalog.GetProduct(GetProductRequest(product_id=product_id))
        except MillraceError as error:
            if error.code is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    async def _earlier(self, product: Product) -> Media | None:
        """The picture of an earlier run."""
        answer = await self._client.media.ListMedia(
            ListMediaRequest(entity_type=ENTITY_TYPE, entity_id=product.product_id)
        )
        return next((media for media in answer.media if media.filename == _file_name(product)), None)

    async def _processed(self, product: Product, mine: Media | None) -> Media:
        """The picture, uploaded and processed; an earlier one that came to nothing gives way to a new one."""
        if mine is not None:
            try:
                media = await self._process(mine.media_id)
            except MillraceError as error:
                if error.reason != "UPLOAD_MISSING":
                    raise
            else:
                if media.status != Media.REJECTED:
                    return media
            await self._client.media.DeleteMedia(DeleteMediaRequest(media_id=mine.media_id))
        return await self._process(await self._upload(product))

    async def _upload(self, product: Product) -> str:
        """Puts a new picture into the store; returns its id."""
        async with self._drawing:
            content = await asyncio.to_thread(draw, product.brand, kind_of(product))
        upload = await self._client.media.CreateUploadUrl(
            CreateUploadUrlRequest(
                filename=_file_name(product),
                content_type=CONTENT_TYPE,
                content_length=len(content),
                entity_type=ENTITY_TYPE,
                entity_id=product.product_id,
                sha256=hashlib.sha256(content).hexdigest(),
            )
        )
        await put(self._http, upload.upload_url, content, upload.headers)
        return upload.media_id

    async def _process(self, media_id: str) -> Media:
        """Asks for the variants and waits for them, within the run's patience."""
        while True:
            media = await self._client.media.ProcessMedia(
                ProcessMediaRequest(media_id=media_id, wait=True), timeout=_CALL_SECONDS
            )
            if media.status != Media.PROCESSING or time.monotonic() > self._deadline:
                return media


async def put(http: aiohttp.ClientSession, url: str, content: bytes, headers: Mapping[str, str]) -> None:
    """Uploads to a presigned URL. Raises UploadRefused for an answer that is no success."""
    async with http.put(url, data=content, headers=dict(headers)) as answer:
        if not answer.ok:
            raise UploadRefused(f"the store answered the upload with {answer.status} {answer.reason}")


def kind_of(product: Product) -> str:
    """What a demo product is: its name without the maker's."""
    return product.name.removeprefix(f"{product.brand} ")


def _file_name(product: Product) -> str:
    return f"{product.product_id}.jpg"
