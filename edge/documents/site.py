"""Everything that is served for one OpenAPI document: the document, the page, and the page's assets.

Swagger UI comes from the `offapi` package; the files around it are in `page/` beside this module.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any

from edge.documents.content import FOREVER, Content

# Nothing but what this origin serves; scripts and styles as files only. Swagger UI's style sheet draws its
# icons from data: addresses.
SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {"Content-Security-Policy": SECURITY_POLICY, "Referrer-Policy": "no-referrer"}

_JAVASCRIPT = "text/javascript; charset=utf-8"
_STYLES = "text/css; charset=utf-8"
_VENDORED = (
    ("swagger-ui.js", "swagger_bundle.js", _JAVASCRIPT),
    ("swagger-ui.css", "swagger_style.css", _STYLES),
)
_OWN = (
    ("docs.js", _JAVASCRIPT),
    ("docs.css", _STYLES),
    ("icon.svg", "image/svg+xml"),
)


@dataclass(frozen=True)
class Site:
    """One document's site. `assets` are found by the name under which the page asks for them."""

    document: Content
    page: Content
    assets: Mapping[str, Content]


def make_site(document: bytes) -> Site:
    """Prepare and compress everything. Takes about a tenth of a second, so not for the event loop.

    The page is called after the document's `info.title`.
    """
    named = _assets()
    page = _page(json.loads(document)["info"], named)
    return Site(
        document=Content("application/json", document),
        page=Content("text/html; charset=utf-8", page, headers=PAGE_HEADERS),
        assets={_address_of(name, content): content for name, content in named.items()},
    )


def _assets() -> dict[str, Content]:
    vendored, own = files("offapi"), files("edge.documents") / "page"
    contents = {
        name: Content(kind, (vendored / file).read_bytes(), FOREVER) for name, file, kind in _VENDORED
    }
    return contents | {name: Content(kind, (own / name).read_bytes(), FOREVER) for name, kind in _OWN}


def _page(info: Mapping[str, Any], assets: Mapping[str, Content]) -> bytes:
    template = Template((files("edge.documents") / "page" / "index.html").read_text("utf-8"))
    words = {name: html.escape(str(info[name])) for name in ("title", "version")}
    places = {re.sub(r"\W", "_", name): _address_of(name, content) for name, content in assets.items()}
    return template.substitute(words | places).encode()


def _address_of(name: str, content: Content) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{content.digest}.{suffix}"
