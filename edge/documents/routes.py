"""Puts an OpenAPI document and its page into an aiohttp application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import hdrs, web

from edge.documents.site import Site, make_site
from edge.problems import Problem
from edge.read_only import read_only

DOCUMENT_PATH = "/api/openapi.json"
PAGE_PATH = "/api/docs"


def add_documents(app: web.Application, document: bytes | Callable[[], bytes]) -> None:
    """Serve this OpenAPI document (JSON) and a page to browse and try it.

    A callable is asked once, in a thread, when the first request needs it; so is everything prepared that is
    made from the document.
    """
    documents = Documents(document)
    routes = {
        DOCUMENT_PATH: documents.document,
        PAGE_PATH: documents.page,
        f"{PAGE_PATH}/": documents.page_elsewhere,
        f"{PAGE_PATH}/assets/{{name}}": documents.asset,
    }
    for path, handler in routes.items():
        app.router.add_route("*", path, read_only(handler))


class Documents:
    """Answers with a site that is made when it is first asked for."""

    def __init__(self, document: bytes | Callable[[], bytes]) -> None:
        self._document = document
        self._site: Site | None = None
        self._making = asyncio.Lock()

    async def document(self, request: web.Request) -> web.Response:
        return (await self._made_site()).document.answer(request)

    async def page(self, request: web.Request) -> web.Response:
        return (await self._made_site()).page.answer(request)

    async def page_elsewhere(self, request: web.Request) -> web.Response:
        """Send the caller to the page: its addresses are relative, so it has only one."""
        return web.Response(status=308, headers={hdrs.LOCATION: "../docs", hdrs.CACHE_CONTROL: "no-cache"})

    async def asset(self, request: web.Request) -> web.Response:
        content = (await self._made_site()).assets.get(request.match_info["name"])
        if content is None:
            raise Problem(404, detail="There is no such file. Load the page again.", code="NOT_FOUND")
        return content.answer(request)

    async def _made_site(self) -> Site:
        # One request makes it while the others wait; when that fails, the next one tries again.
        async with self._making:
            if self._site is None:
                self._site = await asyncio.to_thread(self._make_site)
            return self._site

    def _make_site(self) -> Site:
        return make_site(self._document if isinstance(self._document, bytes) else self._document())
