"""What a request carries along from the door to its answer, under names that type checkers know."""

from typing import Final

from aiohttp import web

# Names the request in logs, answers and calls to the server.
REQUEST_ID: Final = web.RequestKey("request_id", str)
# The RPC that a REST request became; metrics are told apart by it.
ROUTE: Final = web.RequestKey("route", str)
# Whether the client waits for "100 Continue" before it sends the body; whoever wants the body says so.
EXPECTS_CONTINUE: Final = web.RequestKey("expects_continue", bool)
