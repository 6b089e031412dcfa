"""Routes that only show something: what they answer to methods other than GET and HEAD."""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from edge.problems import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_METHODS = "GET, HEAD, OPTIONS"


def read_only(handler: Handler) -> Handler:
    """Let GET and HEAD through, and answer the other methods as the translated paths do.

    Register the result for every method.
    """

    async def guarded(request: web.Request) -> web.StreamResponse:
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204, headers={hdrs.ALLOW: _METHODS})
        if request.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
            raise Problem(
                405, detail="This can only be read.", code="UNIMPLEMENTED", headers={hdrs.ALLOW: _METHODS}
            )
        return await handler(request)

    return guarded
