"""Which processes of ours a stack has, by name, and in which order they end."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.standalone.backing.object_store import DoorPorts
from server.standalone.children import ChildSpec
from server.standalone.own_processes import numbered, own_processes, stop_order
from server.standalone.ports import RememberedPorts
from server.standalone.settings import load_settings

TWO_OF_EACH = {f"MILLRACE_{kind}_PROCESSES": "2" for kind in ("EDGE", "SERVER", "WORKER", "SCHEDULER")}


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


@pytest.fixture
def subject(door: socket.socket, tmp_path: Path) -> list[ChildSpec]:
    """Two of whatever may be there twice."""
    ports = RememberedPorts(tmp_path / "ports.json", {})
    bucket_door = DoorPorts(upload=1, public=2)
    return own_processes(load_settings(TWO_OF_EACH), {}, ports, door, tmp_path, bucket_door=bucket_door)


def test_the_first_of_a_kind_keeps_its_name() -> None:
    """So its ports stay the same when others join it."""
    assert numbered("worker", 1) == ["worker"]
    assert numbered("worker", 3) == ["worker", "worker-2", "worker-3"]


def test_there_are_as_many_as_wanted(subject: list[ChildSpec]) -> None:
    """The drain and the bucket's door alone are always one."""
    names = {child.name for child in subject}
    pairs = {"server", "server-2", "worker", "worker-2", "scheduler", "scheduler-2", "edge-1", "edge-2"}
    assert names == pairs | {"drain", "bucket-door"}


def test_each_is_asked_on_a_port_of_its_own(subject: list[ChildSpec]) -> None:
    """Two that share one would hide each other's figures."""
    asked = [child for child in subject if child.name != "bucket-door"]
    ports = [child.environment["MILLRACE_METRICS_PORT"] for child in asked]
    assert len(set(ports)) == len(asked)


def test_doors_close_first_and_the_servers_last(subject: list[ChildSpec]) -> None:
    """Nothing new comes in, then nothing is scheduled, then what runs is finished; nobody is forgotten."""
    order = stop_order([child.name for child in subject])
    assert order == [
        ["edge-1", "edge-2"],
        ["bucket-door"],
        ["scheduler", "scheduler-2"],
        ["worker", "worker-2"],
        ["drain"],
        ["server", "server-2"],
    ]
