"""Lets requests wait out the moments in which no server can be reached, such as between two restarts."""

from __future__ import annotations

import asyncio

import grpc

# More than a restarted server needs until this process has found it again.
PATIENCE_S = 3.0

# Connecting includes asking whether the server is well, and may end in failing again.
_AWAY = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.CONNECTING)


class Outages:
    """Whether the servers behind a channel are out of reach, and since when.

    gRPC fails every call at once while no address of a channel is good. A call that has not been sent can
    wait instead, whatever it changes: so it does while the outage is young. In an older one it fails at once.
    """

    def __init__(self, channel: grpc.aio.Channel, *, patience: float = PATIENCE_S) -> None:
        self._channel = channel
        self._patience = patience
        self._began_at: float | None = None

    async def wait_out(self, within: float | None = None) -> None:
        """Return when a server can be reached, or when waiting for one has taken too long.

        `within` is what the caller has left, in seconds.
        """
        if self._channel.get_state() not in _AWAY:
            self._began_at = None
            return
        now = asyncio.get_running_loop().time()
        if self._began_at is None:
            self._began_at = now
        until = self._began_at + self._patience
        try:
            async with asyncio.timeout_at(until if within is None else min(until, now + within)):
                while (state := self._channel.get_state()) in _AWAY:
                    await self._channel.wait_for_state_change(state)
        except TimeoutError:
            return
