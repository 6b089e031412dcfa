"""What travels with an RPC: metadata, the deadline, the client that may leave."""

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.descriptor import MethodDescriptor

from tests.unit.rest.probe import Probe, running_probe


async def test_a_dead_server_is_503_without_its_address() -> None:
    async with running_probe() as probe:
        await probe.stop_server()

        answer = await probe.ask("GET", "/v1/things/x")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert b"127.0.0.1" not in answer.body


async def test_the_request_id_is_the_instance(probe: Probe) -> None:
    first = await probe.ask("GET", "/v1/nothing")
    second = await probe.ask("GET", "/v1/nothing")

    assert first.json["instance"] != second.json["instance"]
    assert first.json["code"] == "NOT_FOUND"


async def test_only_allowed_headers_travel_on(probe: Probe) -> None:
    sent = {
        "Authorization": "Bearer x",
        "Accept-Language": "de",
        "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Idempotency-Key": "k",
        "Cookie": "a=b",
        "X-Forwarded-For": "203.0.113.9",
        "Grpc-Timeout": "1n",
        "X-Secret": "s",
    }

    received = (await probe.ask("GET", "/v1/metadata", headers=sent)).json

    assert {name.lower() for name in sent} & received.keys() == {
        "authorization", "accept-language", "traceparent", "idempotency-key",
    }  # fmt: skip
    assert received["x-request-id"]


async def test_a_header_that_grpc_cannot_carry_stays_behind(probe: Probe) -> None:
    answer = await probe.ask("GET", "/v1/metadata", headers={"Accept-Language": "dé", "Authorization": "x"})

    assert (answer.status, "accept-language" in answer.json, answer.json["authorization"]) == (
        200,
        False,
        "x",
    )


async def test_a_body_that_trickles_in_is_408() -> None:
    async with running_probe(deadline_s=0.3) as probe:
        reader, writer = await asyncio.open_connection(probe.base.host, probe.base.port)
        writer.write(
            b"POST /v1/things/x HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/json\r\n"
            b"Content-Length: 20\r\n\r\n{"
        )
        async with asyncio.timeout(3):
            head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in head
    assert b"Connection: close" in head


async def test_each_method_has_its_own_deadline() -> None:
    """`deadline_of` says which, and the RPC is told."""

    def deadline_of(method: MethodDescriptor) -> float:
        return 0.3 if method.name == "Slow" else 20

    async with running_probe(deadline_of=deadline_of) as probe:
        assert (await probe.ask("GET", "/v1/slow")).status == 504
        assert (await probe.ask("GET", "/v1/things/x")).status == 200


async def test_the_rpc_gets_what_the_body_left_of_the_deadline() -> None:
    async def trickling() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(0.5)
        yield b"}"

    async with running_probe(deadline_s=5) as probe:
        asking = asyncio.ensure_future(
            probe.ask("POST", "/v1/slow", data=trickling(), headers={"Content-Type": "application/json"})
        )
        await asyncio.wait_for(probe.server.started.wait(), 10)
        asking.cancel()

        assert probe.server.seconds_left is not None
        assert probe.server.seconds_left <= 4.7  # gRPC rounds up on the wire


async def test_the_deadline_goes_along_and_is_kept() -> None:
    async with running_probe(deadline_s=1) as probe:
        answer = await probe.ask("GET", "/v1/slow")

        assert (answer.status, answer.json["code"]) == (504, "DEADLINE_EXCEEDED")
        assert probe.server.seconds_left is not None
        assert probe.server.seconds_left <= 1.1  # gRPC rounds up on the wire


async def test_the_rpc_is_cancelled_when_the_client_leaves() -> None:
    async with running_probe(deadline_s=20) as probe:
        asking = asyncio.ensure_future(probe.ask("GET", "/v1/slow"))
        await asyncio.wait_for(probe.server.started.wait(), 5)

        asking.cancel()

        await asyncio.wait_for(probe.server.cancelled.wait(), 5)
