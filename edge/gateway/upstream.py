"""The connection to the gRPC server behind the gateway: its channel, and how it is.

What goes over the channel is `edge.rest`'s business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor

from edge.gateway.options import Options
from millrace.channel import open_channel

log = structlog.get_logger()

_LOST = frozenset({grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN})


@asynccontextmanager
async def upstream_channel(
    options: Options, services: Iterable[ServiceDescriptor]
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that retries what the contract calls repeatable, connects at once, and logs how it fares."""
    async with open_channel(
        options.upstream,
        services,
        credentials=options.credentials,
        watch_health=options.watches_health,
    ) as channel:
        reporter = asyncio.create_task(_report(channel, options.upstream), name="upstream state")
        yield channel
        reporter.cancel()
        await asyncio.wait([reporter])


async def _report(channel: grpc.aio.Channel, target: str) -> None:
    """Say when the upstream is reached and when it is lost, each once; keep it connected."""
    was_up: bool | None = None
    while True:
        state = channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.READY and was_up is not True:
            was_up = True
            log.info("upstream_reached", upstream=target)
        elif state in _LOST and was_up is not False:
            was_up = False
            log.warning("upstream_not_reached", upstream=target)
        await channel.wait_for_state_change(state)
