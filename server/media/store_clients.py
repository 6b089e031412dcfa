"""Makes clients of an S3 from the settings. What is asked of them is in `store`.

Nothing heavy is imported before a client is wanted: the library takes a quarter of a second.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from server.media.settings import MediaSettings
from server.media.store_errors import no_credentials, translated

if TYPE_CHECKING:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession
    from types_aiobotocore_s3.client import S3Client

CONNECT_SECONDS: Final = 2
READ_SECONDS: Final = 10
# In all, with about a second of waiting between them: enough for a hiccup; jobs are for longer ones.
ATTEMPTS: Final = 3
CONNECTIONS: Final = 32


@dataclass(frozen=True, slots=True)
class StoreClients:
    """`objects` talks to the store. `presigning` signs what browsers send it, and talks to nobody."""

    objects: S3Client
    presigning: S3Client


async def open_clients(settings: MediaSettings, opened: AsyncExitStack) -> StoreClients:
    """Clients that `opened` closes. Raises StoreUnavailable when there are no credentials anywhere."""
    await asyncio.to_thread(importlib.import_module, "aiobotocore.session")
    from aiobotocore.session import get_session  # noqa: PLC0415

    session = get_session()
    if settings.s3_access_key is None:
        with translated("find credentials"):
            if await session.get_credentials() is None:
                raise no_credentials()
    objects = await _client(session, settings, settings.s3_endpoint, opened)
    if settings.s3_upload_endpoint in (None, settings.s3_endpoint):
        return StoreClients(objects=objects, presigning=objects)
    presigning = await _client(session, settings, settings.s3_upload_endpoint, opened)
    return StoreClients(objects=objects, presigning=presigning)


def public_base(settings: MediaSettings) -> str:
    """The URL below which everybody may read objects: as set, else where the store itself serves them."""
    if settings.media_public_url:
        return settings.media_public_url.rstrip("/")
    endpoint = settings.s3_upload_endpoint or settings.s3_endpoint
    if endpoint:
        return f"{endpoint.rstrip('/')}/{settings.s3_bucket}"
    return f"https://{settings.s3_bucket}.s3.{settings.s3_region}.amazonaws.com"


async def _client(
    session: AioSession, settings: MediaSettings, endpoint: str | None, opened: AsyncExitStack
) -> S3Client:
    secret = settings.s3_secret_key
    client: S3Client = await opened.enter_async_context(
        session.create_client(
            "s3",
            region_name=settings.s3_region,
            endpoint_url=endpoint,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=_config(path_style=endpoint is not None),
        )
    )
    if endpoint is not None:
        client.meta.events.register("before-call.s3", _follow_no_redirect)
    return client


def _follow_no_redirect(context: dict[str, Any], **_: object) -> None:
    """Amazon's redirects name the bucket's region. Where another store's do not, the library asks it for that
    region, is redirected again, and so on until the stack is full: they are to count as any other answer.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True


def _config(*, path_style: bool) -> AioConfig:
    """Amazon's own is addressed by the region's host name: its global one answers PUTs with redirects."""
    from aiobotocore.config import AioConfig  # noqa: PLC0415

    return AioConfig(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        # Stores other than Amazon's do not know the checksums that would be added else.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if path_style else "virtual",
            "us_east_1_regional_endpoint": "regional",
        },
    )
