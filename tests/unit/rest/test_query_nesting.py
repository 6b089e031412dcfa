"""Names of query parameters that lead deep into messages: how deep, and what is kept of them."""

import gc
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from google.api import http_pb2
from google.protobuf import message_factory

from edge.rest.binder import MAX_NAMES_REMEMBERED, Binder
from edge.rest.json_reader import JsonReaders
from edge.rest.routes import read_routes
from tests.unit.rest.probe import Probe
from tests.unit.rest.routed import echoing, made_up_service

CHAIN = made_up_service({"Get": http_pb2.HttpRule(get="/chain")}, request="Chain", answer="Chain")


@pytest.fixture(scope="module")
async def subject() -> AsyncIterator[Probe]:
    async with echoing([CHAIN]) as probe:
        yield probe


@pytest.mark.parametrize(
    ("parents", "leaf", "status"),
    [
        (99, "count", 200),
        (100, "count", 200),
        (101, "count", 400),
        (1000, "count", 400),
        (99, "boxed", 200),  # a message of its own
        (100, "boxed", 400),
    ],
)
async def test_messages_may_be_100_deep(subject: Probe, parents: int, leaf: str, status: int) -> None:
    """As in JSON: gRPC servers cannot read what is deeper, and would call it their own failure."""
    name = "next." * parents + leaf
    answer = await subject.ask("GET", f"/chain?{name}=1")

    assert answer.status == status
    if status == 400:
        assert [error["field"] for error in answer.json["errors"]] == [name]


def test_names_without_end_are_not_remembered() -> None:
    """Else a stranger could fill the memory of the process with correct names of one field."""
    (route,) = read_routes([CHAIN]).rules()
    binder = Binder(route, JsonReaders())

    def ask_for(numbers: range) -> None:
        for number in numbers:
            steps = f"{number:b}".replace("0", "next.").replace("1", "nextOne.")
            message = message_factory.GetMessageClass(route.rpc.input_type)()
            binder.bind(message, (), [(f"{steps}count", "1")])

    ask_for(range(MAX_NAMES_REMEMBERED))
    tracemalloc.start()
    ask_for(range(MAX_NAMES_REMEMBERED, 2 * MAX_NAMES_REMEMBERED))
    gc.collect()
    grown_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert grown_bytes < 100 * MAX_NAMES_REMEMBERED
