"""Millrace's own document: what the edge serves at `/api/openapi.json`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from edge.openapi.contract import shipped_image
from edge.openapi.document import make_document
from edge.openapi.own_paths import OWN_TAGS, own_paths

SERVED_SERVICES = (
    "millrace.affiliate.v1.AffiliateService",
    "millrace.analytics.v1.AnalyticsService",
    "millrace.catalog.v1.CatalogService",
    "millrace.jobs.v1.JobsService",
    "millrace.media.v1.MediaService",
)

_WORDS = """The growth backend of a shop: affiliate links, clicks, the catalogue, its pictures, and the jobs
behind them.

Bodies are proto3 JSON: lowerCamelCase names, 64-bit integers as strings (numbers are taken too), instants as
RFC 3339, enum values by name. Input is read strictly: what is not understood is refused and named, never
dropped; null means that a field is left out. Answers say every field that has no "unset", also at its
default; new ones may be added.

Refusals are `application/problem+json` with a `reason` that programs may rely on.

HEAD works wherever GET does, and OPTIONS says what a path answers, save for the redirect: it takes no other
method."""


def millrace_document() -> dict[str, Any]:
    """The document of the services that the edge translates and the paths that it answers itself."""
    return make_document(
        shipped_image(),
        SERVED_SERVICES,
        title="Millrace",
        version=version("millrace"),
        description=_WORDS,
        license_id="Apache-2.0",
        extra_paths=own_paths(),
        extra_tags=OWN_TAGS,
    )


def millrace_document_bytes() -> bytes:
    """The same as JSON text; equal contracts give equal bytes."""
    return msgspec.json.encode(millrace_document())
