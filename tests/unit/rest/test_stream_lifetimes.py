"""How long streams live: as long as both ends want, unless the contract or the process says otherwise."""

import asyncio
import math
from collections.abc import Callable

import pytest
from google.protobuf.descriptor import MethodDescriptor

from edge.rest.gateway import unary_within
from tests.unit.rest.probe import Probe, probe_service, running_probe
from tests.unit.rest.scripts import EVENTS, QUICK, events, tell


async def _begin(probe: Probe, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(probe.base.host, probe.base.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\n\r\n".encode())
    await asyncio.wait_for(probe.server.started.wait(), 5)
    return reader, writer


async def test_a_stream_has_no_deadline_of_its_own() -> None:
    """The RPC is not even told of one; a unary method of the same gateway has it."""
    async with running_probe(deadline_s=0.2, stream_pace=QUICK) as probe:
        asking = asyncio.ensure_future(probe.ask("GET", tell("wait", "say:late")))
        await asyncio.wait_for(probe.server.started.wait(), 5)
        unary = await probe.ask("GET", "/v1/slow")
        assert unary.status == 504
        probe.server.go_on.set()
        answer = await asking

    assert b'"late"' in answer.body


async def test_a_deadline_that_the_contract_gives_a_stream_is_kept_aloud() -> None:
    """It goes along to the service, and the client hears why the stream ended."""

    def deadline_of(method: MethodDescriptor) -> float:
        return 1 if method.name == "Tell" else 5

    async with running_probe(deadline_of=deadline_of) as probe:
        answer = await probe.ask("GET", tell("say:a", "hold"), headers=EVENTS)

        assert probe.server.seconds_left is not None
        assert probe.server.seconds_left <= 1.1  # gRPC rounds up on the wire
    assert [kind for kind, _ in events(answer)] == ["message", "error"]
    assert events(answer)[-1][1]["code"] == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("steps", [["hold"], ["say:a", "hold"], ["say:a", "flood"]])
async def test_the_rpc_is_cancelled_when_the_client_leaves(steps: list[str]) -> None:
    """Before the first message, between two, or in the middle of many."""
    async with running_probe(stream_pace=QUICK) as probe:
        _, writer = await _begin(probe, tell(*steps))

        writer.transport.abort()

        await asyncio.wait_for(probe.server.cancelled.wait(), 5)


async def test_a_client_that_reads_slowly_slows_the_service_down() -> None:
    """What it does not take is not collected here: the service waits."""
    async with running_probe() as probe:
        reader, writer = await _begin(probe, tell("flood"))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        told = await _until_stuck(lambda: probe.server.told)

        assert told * 10_000 < 30_000_000  # sockets and windows hold some megabytes
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(20):
            await reader.readuntil(b"\n\n")
        while probe.server.told <= told:
            await reader.readuntil(b"\n\n")
        writer.transport.abort()


async def _until_stuck(read: Callable[[], int]) -> int:
    """The number once it has stood still for a while."""
    before = -1
    while before != read():
        before = read()
        await asyncio.sleep(0.3)
    return before


async def test_streams_end_when_the_process_stops() -> None:
    """Aloud, and so that the client connects again; what is no stream is finished."""
    stopping = False
    async with running_probe(is_stopping=lambda: stopping, stream_pace=QUICK) as probe:
        asking = asyncio.ensure_future(probe.ask("GET", tell("say:a", "hold"), headers=EVENTS))
        await asyncio.wait_for(probe.server.started.wait(), 5)
        stopping = True
        answer = await asyncio.wait_for(asking, 5)

        kind, problem = events(answer)[-1]
        assert (kind, problem["status"], problem["code"]) == ("error", 503, "UNAVAILABLE")
        await asyncio.wait_for(probe.server.cancelled.wait(), 5)


def test_one_deadline_for_all_is_none_for_streams() -> None:
    deadline_of = unary_within(3)
    methods = probe_service().methods_by_name

    assert deadline_of(methods["GetThing"]) == 3
    assert deadline_of(methods["Tell"]) == math.inf
