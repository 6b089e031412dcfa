"""Requests wait for a server that is about to come back, and not for one that stays away."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from edge.rest.outages import Outages
from millrace.channel import open_channel

READY = grpc.ChannelConnectivity.READY
FAILING = grpc.ChannelConnectivity.TRANSIENT_FAILURE


async def start_server(port: int) -> grpc.aio.Server:
    """A server with nothing but health, which says SERVING."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    health = health_aio.HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server


async def becomes(channel: grpc.aio.Channel, wanted: grpc.ChannelConnectivity) -> None:
    async with asyncio.timeout(10):
        while channel.get_state(try_to_connect=True) is not wanted:
            await asyncio.sleep(0.005)


@pytest.fixture
async def channel(unused_port: int) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a port where nobody listens yet."""
    async with open_channel(f"127.0.0.1:{unused_port}", ()) as opened:
        yield opened


async def test_nobody_waits_while_a_server_is_there(channel: grpc.aio.Channel, unused_port: int) -> None:
    """Neither for a server that is connected nor for a connection that was never tried."""
    subject = Outages(channel, patience=60)
    async with asyncio.timeout(1):
        await subject.wait_out()
    server = await start_server(unused_port)
    await becomes(channel, READY)
    async with asyncio.timeout(1):
        await subject.wait_out()
    await server.stop(None)


async def test_a_request_waits_for_the_server_to_come_back(
    channel: grpc.aio.Channel, unused_port: int
) -> None:
    """It goes on once a call would be answered."""
    subject = Outages(channel, patience=60)
    await becomes(channel, FAILING)
    waiting = asyncio.create_task(subject.wait_out())
    server = await start_server(unused_port)
    async with asyncio.timeout(10):
        await waiting
    assert channel.get_state() is READY
    await server.stop(None)


async def test_a_connection_in_the_making_is_no_server_yet(
    channel: grpc.aio.Channel, unused_port: int
) -> None:
    """A call begun now would fail if nothing came of it."""
    subject = Outages(channel, patience=0.3)
    held: list[asyncio.StreamWriter] = []  # a connection that nobody holds is closed by the garbage collector
    mute = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", unused_port)
    await becomes(channel, grpc.ChannelConnectivity.CONNECTING)
    began = time.monotonic()
    await subject.wait_out()
    assert time.monotonic() - began >= 0.25
    mute.close()
    for writer in held:
        writer.close()


async def test_patience_is_for_the_outage_and_not_for_each_request(channel: grpc.aio.Channel) -> None:
    """Whoever comes late in an outage waits only for what is left of it, in an old one not at all."""
    subject = Outages(channel, patience=0.5)
    await becomes(channel, FAILING)
    began = time.monotonic()
    await subject.wait_out()
    first = time.monotonic()
    await subject.wait_out()
    assert first - began >= 0.45
    assert time.monotonic() - first < 0.25


async def test_each_outage_gets_its_own_patience(channel: grpc.aio.Channel, unused_port: int) -> None:
    """A server that was back in between makes the next outage a new one."""
    subject = Outages(channel, patience=0.3)
    await becomes(channel, FAILING)
    await subject.wait_out()
    server = await start_server(unused_port)
    await becomes(channel, READY)
    await subject.wait_out()
    await server.stop(None)
    await becomes(channel, FAILING)
    began = time.monotonic()
    await subject.wait_out()
    assert time.monotonic() - began >= 0.25
