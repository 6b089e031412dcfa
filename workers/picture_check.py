"""Asks, when a worker starts, which library processes its pictures; says so wherever one would look."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Info

from server.media.pictures.library import PictureLibraryUnfit, library_of_a_fresh_process
from workers.health import Health

log = structlog.get_logger(__name__)

PICTURES: Final = "pictures"


async def check_pictures(health: Health, registry: CollectorRegistry) -> None:
    """Report it to the log, `/readyz` and `/metrics`. A worker without a fit one lives, but is not ready."""
    try:
        library = await asyncio.to_thread(library_of_a_fresh_process)
    except PictureLibraryUnfit as error:
        log.error("picture_library_unfit", why=str(error))  # noqa: TRY400 - the words say it all
        health.report(PICTURES, well=False, note=f"failing: {error}")
        return
    log.info("picture_library", name=library.name, webp=library.webp, avif=library.avif, icc=library.icc)
    health.report(PICTURES, well=True, note=str(library))
    facts = Info(
        "millrace_picture_library", "What this worker's pictures are processed with.", registry=registry
    )
    facts.info({"name": library.name, "webp": str(library.webp).lower(), "avif": str(library.avif).lower()})
