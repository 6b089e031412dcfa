"""Ports that stay the same from one start to the next."""

import socket
from pathlib import Path

import pytest

from server.standalone.ports import NoFreePortError, RememberedPorts


def test_a_free_port_is_given_again(tmp_path: Path) -> None:
    """The next start gets the ports of the last one."""
    first = RememberedPorts(tmp_path / "ports.json", {})
    given = {name: first.port(name) for name in ("edge", "grpc")}
    first.save()
    second = RememberedPorts(tmp_path / "ports.json", {})
    assert {name: second.port(name) for name in ("grpc", "edge")} == given


def test_a_taken_port_is_replaced(tmp_path: Path) -> None:
    """A remembered port that something else listens on meanwhile is not given."""
    first = RememberedPorts(tmp_path / "ports.json", {})
    port = first.port("edge")
    first.save()
    with socket.create_server(("127.0.0.1", port)):
        assert RememberedPorts(tmp_path / "ports.json", {}).port("edge") != port


def test_a_fixed_port_is_used_or_refused(tmp_path: Path, unused_port: int) -> None:
    """A port that the operator chose is never replaced by another one."""
    assert RememberedPorts(tmp_path / "ports.json", {"edge": unused_port}).port("edge") == unused_port
    subject = RememberedPorts(tmp_path / "ports.json", {"edge": unused_port})
    with (
        socket.create_server(("127.0.0.1", unused_port)),
        pytest.raises(NoFreePortError, match="MILLRACE_EDGE_PORT"),
    ):
        subject.port("edge")


def test_no_two_names_share_a_port(tmp_path: Path) -> None:
    """Also when a file made by hand says so."""
    (tmp_path / "ports.json").write_text('{"edge": 21555, "grpc": 21555}')
    subject = RememberedPorts(tmp_path / "ports.json", {})
    assert subject.port("edge") != subject.port("grpc")


def test_a_fixed_port_is_nobody_elses(tmp_path: Path, unused_port: int) -> None:
    """Neither a remembered port nor a second fixed one may take it, in whatever order they are asked for."""
    (tmp_path / "ports.json").write_text(f'{{"redis": {unused_port}}}')
    subject = RememberedPorts(tmp_path / "ports.json", {"s3": unused_port, "smtp": unused_port})
    assert subject.port("redis") != unused_port
    assert subject.port("s3") == unused_port
    with pytest.raises(NoFreePortError, match="MILLRACE_SMTP_PORT"):
        subject.port("smtp")
