"""How long a stop may take, against what the contract promises to those whose request is under way."""

import math
from types import ModuleType

import pytest

import edge.lifetime
import server.rpc.host
from edge.app import SERVICES, declared_deadline
from server.standalone.own_processes import STOP_WITHIN

METHODS = [method for service in SERVICES for method in service.methods]


def times(module: ModuleType) -> dict[str, float]:
    return {name: value for name, value in vars(module).items() if name.endswith("_SECONDS")}


@pytest.mark.parametrize(
    ("module", "name"), [(edge.lifetime, "FINISH_SECONDS"), (server.rpc.host, "_GRACE_SECONDS")]
)
def test_the_slowest_method_may_end(module: ModuleType, name: str) -> None:
    """A request that came just before the stop has all the time that its method declares, and a moment."""
    deadlines = [declared_deadline(method) for method in METHODS]
    longest = max(seconds for seconds in deadlines if seconds < math.inf)
    assert longest > 10
    assert times(module)[name] >= longest + 1


@pytest.mark.parametrize("module", [edge.lifetime, server.rpc.host])
def test_the_supervisor_waits_for_it(module: ModuleType) -> None:
    """A process of the stack is not killed while it still finishes."""
    assert sum(times(module).values()) + 5 < STOP_WITHIN
