"""What edge and stand-alone gateway serve alike: translated RPCs, and how the process and its upstream are.

Each fills the keys below while its application is set up.
"""

from typing import Final

import grpc
from aiohttp import web

from edge.health import Health
from edge.rest.gateway import Gateway

GATEWAY: Final = web.AppKey("gateway", Gateway)
HEALTH: Final = web.AppKey("health", Health)

_UNDECIDED = frozenset({grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING})


async def translate(request: web.Request) -> web.StreamResponse:
    return await request.app[GATEWAY].handle(request)


async def answer_healthz(request: web.Request) -> web.StreamResponse:
    return await request.app[HEALTH].live()


async def answer_readyz(request: web.Request) -> web.StreamResponse:
    return await request.app[HEALTH].ready()


async def channel_state(channel: grpc.aio.Channel) -> str:
    """`up` or `down`, once the channel has made up its mind; connects it when it is idle."""
    state = channel.get_state(try_to_connect=True)
    while state in _UNDECIDED:
        await channel.wait_for_state_change(state)
        state = channel.get_state()
    return "up" if state is grpc.ChannelConnectivity.READY else "down"
