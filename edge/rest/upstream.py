"""One RPC for one HTTP request: its metadata, its deadline, and its end when the client goes away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from aiohttp import web

from edge.problems import CLIENT_CLOSED_REQUEST, Problem, problem_of_rpc_error
from edge.request_keys import REQUEST_ID

Metadata = Sequence[tuple[str, str]]

# How soon an abandoned RPC is cancelled. aiohttp does not tell a handler that its client has left.
LOOK_FOR_CLIENT_EVERY_S = 0.2

_FORWARDED_HEADERS = ("authorization", "traceparent", "accept-language", "idempotency-key")
_KEY = re.compile(r"[0-9a-z_.-]+", re.ASCII)
_VALUE = re.compile(r"[ -~]+", re.ASCII)


def forward_allowed(request: web.Request) -> list[tuple[str, str]]:
    """The allow-listed headers and the request id; the client's address is left to who knows the proxies."""
    pairs = [(name, request.headers[name]) for name in _FORWARDED_HEADERS if name in request.headers]
    request_id = request.get(REQUEST_ID)
    return [*pairs, ("x-request-id", request_id)] if request_id else pairs


def sendable(pairs: Metadata) -> list[tuple[str, str]]:
    """The pairs that gRPC can carry: it refuses the whole call for one with other than printable ASCII."""
    return [(key, value) for key, value in pairs if _KEY.fullmatch(key) and _VALUE.fullmatch(value)]


class Deadline:
    """When the caller must have an answer; started at the door, so that reading the body counts."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + seconds

    def remaining(self) -> float:
        """Seconds left. Raises `Problem` 504 when there are none."""
        left = self._at - self._loop.time()
        if left <= 0:
            raise Problem(504, detail="The request took too long.", code="DEADLINE_EXCEEDED")
        return left


@contextmanager
def failures_as_problems(call: Any, request: web.Request, body_field: str) -> Iterator[None]:
    """Around waiting for a call: cancel it with its client, and let its failure leave as a `Problem`."""
    watch = _ClientWatch(call, request)
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise problem_of_rpc_error(error, body_field=body_field) from error
    except asyncio.CancelledError:
        if not watch.client_left:
            raise
        raise Problem(CLIENT_CLOSED_REQUEST, detail="The client left.", code="CANCELLED") from None
    finally:
        watch.stop()
        if not call.done():
            call.cancel()


class _ClientWatch:
    """Cancels a call once the connection that asked for it is gone."""

    def __init__(self, call: Any, request: web.Request) -> None:
        self.client_left = False
        self._call = call
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK_FOR_CLIENT_EVERY_S, self._look)

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            self.client_left = True
            self._call.cancel()
        else:
            self._timer = self._loop.call_later(LOOK_FOR_CLIENT_EVERY_S, self._look)
