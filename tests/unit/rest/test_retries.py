"""What the contract calls repeatable is tried again while the server is UNAVAILABLE, and nothing else is."""

from collections.abc import AsyncIterator

import grpc
import pytest

from millrace.channel import RETRY_POLICY, open_channel
from tests.unit.rest.probe import Probe, probe_service, running_probe


@pytest.fixture
async def subject() -> AsyncIterator[Probe]:
    def open_retrying(target: str) -> grpc.aio.Channel:
        return open_channel(target, [probe_service()])

    async with running_probe(open_channel=open_retrying) as probe:
        yield probe


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_what_may_be_repeated_is(subject: Probe, method: str) -> None:
    """The client never hears of two failures."""
    subject.server.failures_left = 2

    answer = await subject.ask(method, "/v1/again/x")

    assert (answer.status, answer.json["thingId"], subject.server.attempts) == (200, "x", 3)


async def test_what_may_not_be_repeated_is_not(subject: Probe) -> None:
    subject.server.failures_left = 1

    answer = await subject.ask("POST", "/v1/again/x")

    assert (answer.status, answer.json["code"], subject.server.attempts) == (503, "UNAVAILABLE", 1)


async def test_retries_are_bounded(subject: Probe) -> None:
    subject.server.failures_left = 1_000

    answer = await subject.ask("GET", "/v1/again/x")

    assert (answer.status, subject.server.attempts) == (503, RETRY_POLICY["maxAttempts"])


async def test_retries_have_a_budget(subject: Probe) -> None:
    """A server in trouble is not asked ever more: once it is spent, one attempt is all there is."""
    subject.server.failures_left = 1_000
    for _ in range(6):
        await subject.ask("GET", "/v1/again/x")
    before = subject.server.attempts

    await subject.ask("GET", "/v1/again/x")

    assert subject.server.attempts == before + 1
