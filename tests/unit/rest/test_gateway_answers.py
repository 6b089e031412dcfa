"""Answers through a running gateway: streams, errors, deadlines, metadata, clients that leave."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest

from tests.unit.rest.probe import Answer, Probe, running_probe


async def fail(probe: Probe, code: grpc.StatusCode, message: str = "inside", with_: str = "") -> Answer:
    query: dict[str, Any] = {"code": code.value[0], "message": message, "with": with_}
    return await probe.ask("GET", f"/v1/fail?{urlencode(query)}")


@pytest.mark.parametrize(
    ("code", "status", "speaks"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 400, True),
        (grpc.StatusCode.FAILED_PRECONDITION, 400, True),
        (grpc.StatusCode.OUT_OF_RANGE, 400, True),
        (grpc.StatusCode.UNAUTHENTICATED, 401, False),
        (grpc.StatusCode.PERMISSION_DENIED, 403, True),
        (grpc.StatusCode.NOT_FOUND, 404, True),
        (grpc.StatusCode.ALREADY_EXISTS, 409, True),
        (grpc.StatusCode.ABORTED, 409, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429, False),
        (grpc.StatusCode.CANCELLED, 499, False),
        (grpc.StatusCode.UNKNOWN, 500, False),
        (grpc.StatusCode.INTERNAL, 500, False),
        (grpc.StatusCode.DATA_LOSS, 500, False),
        (grpc.StatusCode.UNIMPLEMENTED, 501, False),
        (grpc.StatusCode.UNAVAILABLE, 503, False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, False),
    ],
)
async def test_a_status_becomes_a_problem(
    probe: Probe, code: grpc.StatusCode, status: int, speaks: bool
) -> None:
    """The text goes along only where it cannot tell of the inside."""
    answer = await fail(probe, code)

    assert answer.status == answer.json["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["code"] == code.name
    assert ("inside" in answer.body.decode()) is speaks
    assert answer.json.keys() == {"type", "title", "status", "detail", "instance", "code"}
    assert ("Retry-After" in answer.headers) is (status in {429, 503})
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


async def test_details_are_rendered(probe: Probe) -> None:
    answer = await fail(probe, grpc.StatusCode.INVALID_ARGUMENT, "wrong", "unknown,info,bad")

    assert answer.json["detail"] == "link.destinationUrl: must be on an allowed host"
    assert answer.json["reason"] == "LINK_TAKEN"
    assert answer.json["errors"] == [
        {"field": "link.destinationUrl", "message": "must be on an allowed host"}
    ]


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
async def test_retry_info_becomes_retry_after(probe: Probe, code: grpc.StatusCode) -> None:
    """Whole seconds, rounded up; a service that gives a reason may speak."""
    answer = await fail(probe, code, "slow down", "retry,info")

    assert (answer.headers["Retry-After"], answer.json["detail"]) == ("3", "slow down")


@pytest.mark.parametrize("details", ["unknown", "broken", "garbage", "info"])
@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL])
async def test_odd_details_change_no_status(probe: Probe, code: grpc.StatusCode, details: str) -> None:
    answer = await fail(probe, code, "text", details)

    assert answer.status == {grpc.StatusCode.NOT_FOUND: 404, grpc.StatusCode.INTERNAL: 500}[code]
    assert ("reason" in answer.json) is (details == "info" and answer.status == 404)


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


async def test_the_deadline_goes_along_and_is_kept() -> None:
    async with running_probe(deadline_s=0.3) as probe:
        answer = await probe.ask("GET", "/v1/slow")

        assert (answer.status, answer.json["code"]) == (504, "DEADLINE_EXCEEDED")
        assert probe.server.seconds_left is not None
        assert probe.server.seconds_left <= 0.3


async def test_the_rpc_is_cancelled_when_the_client_leaves() -> None:
    async with running_probe(deadline_s=20) as probe:
        asking = asyncio.ensure_future(probe.ask("GET", "/v1/slow"))
        await asyncio.wait_for(probe.server.started.wait(), 5)

        asking.cancel()

        await asyncio.wait_for(probe.server.cancelled.wait(), 5)


class TestStreams:
    """Server streaming as lines of JSON."""

    async def test_each_message_is_a_line(self, probe: Probe) -> None:
        answer = await probe.ask("GET", "/v1/count?pageSize=3")

        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
        assert [json.loads(line)["count"] for line in answer.body.splitlines()] == [0, 1, 2]

    async def test_no_message_is_no_line(self, probe: Probe) -> None:
        answer = await probe.ask("GET", "/v1/count")

        assert (answer.status, answer.headers["Content-Type"], answer.body) == (
            200,
            "application/x-ndjson",
            b"",
        )

    async def test_a_failure_before_the_first_message_is_a_problem(self, probe: Probe) -> None:
        answer = await probe.ask("GET", "/v1/count?thingId=break")

        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")

    async def test_a_later_failure_is_the_last_line(self, probe: Probe) -> None:
        answer = await probe.ask("GET", "/v1/count?pageSize=1&thingId=break")

        last = json.loads(answer.body.splitlines()[-1])["error"]
        assert (answer.status, last["status"], last["code"]) == (200, 503, "UNAVAILABLE")
        assert b"10.0.0.7" not in answer.body

    async def test_head_reads_no_stream(self, probe: Probe) -> None:
        answer = await probe.ask("HEAD", "/v1/count?pageSize=3")

        assert (answer.status, answer.body) == (200, b"")
