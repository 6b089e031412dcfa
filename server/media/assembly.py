"""Puts the media domain together from what a process has opened; it opens and closes nothing itself."""

from __future__ import annotations

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.recipes import VariantSets
from server.media.service.deletion import DeletionService
from server.media.service.reading import MediaService
from server.media.service.requests import VariantRequests
from server.media.service.uploads import UploadService
from server.media.servicer import MediaServicer
from server.media.store import ObjectStore
from server.rpc.pages import PageTokens


def build_media(
    *, sessions: Sessions, store: ObjectStore, jobs: Jobs, variant_sets: VariantSets, page_tokens: PageTokens
) -> MediaServicer:
    """The servicer of `millrace.media.v1.MediaService`. `variant_sets`: the recipes by entity type."""
    return MediaServicer(
        media=MediaService(sessions),
        uploads=UploadService(sessions, store),
        requests=VariantRequests(sessions, store=store, jobs=jobs, sets=variant_sets),
        deletion=DeletionService(sessions, jobs),
        store=store,
        page_tokens=page_tokens,
    )
