"""The RPCs under way: each is given up when its client leaves, and streams also when the process stops.

aiohttp does not tell a handler that its client has gone, so connections are looked at: by one timer for all
calls, because a timer for each would cost every request more than it ever finds out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any

import grpc
from aiohttp import web

from edge.problems import CLIENT_CLOSED_REQUEST, Problem
from edge.rest.failures import problem_of_rpc_error

# How soon an abandoned RPC is cancelled.
LOOK_EVERY_S = 0.2

Spell = Callable[[str], str]


class HeldCall:
    """One RPC under way for a request; `call` is to be awaited, or read from, inside its context.

    What goes wrong there leaves as a `Problem`, unless the request itself is cancelled. After the context the
    RPC is over, whatever it was doing. `spell` turns the server's path of a field into the caller's.
    """

    __slots__ = ("_given_up", "_held", "_spell", "call", "is_stream", "request")

    def __init__(
        self, held: set[HeldCall], call: Any, request: web.Request, *, is_stream: bool, spell: Spell
    ) -> None:
        self.call = call
        self.request = request
        self.is_stream = is_stream
        self._spell = spell
        self._given_up: Problem | None = None
        self._held = held

    def give_up(self, why: Problem) -> None:
        """Cancel the RPC; whoever waits for it gets `why`."""
        if self._given_up is None:
            self._given_up = why
            self.call.cancel()

    def __enter__(self) -> HeldCall:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.discard(self)
        if error is None and self.call.done():
            return
        self.call.cancel()
        if isinstance(error, grpc.aio.AioRpcError):
            raise problem_of_rpc_error(error, self._spell) from error
        if isinstance(error, asyncio.CancelledError) and self._given_up is not None:
            raise self._given_up from None


class CallsUnderWay:
    """Every RPC of one gateway that has not been answered yet."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._is_stopping = is_stopping
        self._held: set[HeldCall] = set()
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, call: Any, request: web.Request, *, is_stream: bool, spell: Spell) -> HeldCall:
        """Watch the client of a call that has just begun, until the context of what is returned is left."""
        held = HeldCall(self._held, call, request, is_stream=is_stream, spell=spell)
        self._held.add(held)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)
        return held

    def _look(self) -> None:
        stopping = self._is_stopping()
        for held in self._held:
            transport = held.request.transport
            if transport is None or transport.is_closing():
                held.give_up(_client_left())
            elif stopping and held.is_stream:
                held.give_up(_process_stops())
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look) if self._held else None


def _client_left() -> Problem:
    return Problem(CLIENT_CLOSED_REQUEST, detail="The client left.")


def _process_stops() -> Problem:
    """A stream may have no end of its own; its client comes back to a process that stays."""
    return Problem(503, detail="This process is stopping; connect again.")
