"""Answers with the one message of an RPC that is no stream."""

from __future__ import annotations

from aiohttp import hdrs, web

from edge.rest.rpc import Rpc
from edge.rest.upstream import Deadline, Metadata


class UnaryAnswer:
    """Calls an RPC and makes a whole answer of what comes back."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def answer(
        self, request: web.Request, payload: bytes, metadata: Metadata, deadline: Deadline
    ) -> web.StreamResponse:
        """Raises `Problem`; the RPC is over when this returns."""
        with self._rpc.open(request, payload, metadata, deadline) as held:
            wire = await held.call
        rendered = self._rpc.render(wire)
        response = web.Response(body=rendered.content, headers={hdrs.CONTENT_TYPE: rendered.media_type})
        if rendered.disposition:
            response.headers[hdrs.CONTENT_DISPOSITION] = rendered.disposition
        return response
