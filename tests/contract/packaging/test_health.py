"""The container's health check asks the right process and believes only a good answer."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from server.container.__main__ import COMMANDS
from server.container.grpc_health import serving_status
from server.container.health import CHECKS, Unhealthy, check_edge, check_monitored, check_server, process_of
from server.rpc.host import GrpcHost, TlsFiles
from workers.health import Health
from workers.monitoring import serving_monitoring

EVERYWHERE = "0.0.0.0"  # noqa: S104 - as in a container


@pytest.mark.parametrize(
    ("command_line", "process"),
    [
        ("python -m server.container edge", "edge"),
        ("/sbin/docker-init -- python -m server.container drain", "drain"),
        ("/opt/millrace/bin/python -m server.container server --services catalog", "server"),
        ("/sbin/docker-init -- python -m server.container worker", "worker"),
        ("python -m server.container", ""),
        ("sh", ""),
    ],
)
def test_the_process_is_read_from_the_first_command_line(command_line: str, process: str) -> None:
    """With an init in front of it or without, and whatever its own arguments are."""
    assert process_of(command_line.split(" ")) == process


@pytest.mark.parametrize("process", ["drain", "worker", "scheduler"])
def test_what_has_no_door_is_healthy_when_it_says_so(
    process: str, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    """It reports each store as well or not; one that is not makes it unhealthy and is named."""
    monkeypatch.setenv("MILLRACE_METRICS_HOST", EVERYWHERE)
    monkeypatch.setenv("MILLRACE_METRICS_PORT", str(unused_port))
    health = Health(["redis", "postgres"])
    with serving_monitoring(EVERYWHERE, unused_port, CollectorRegistry(), health):
        health.report("redis", well=True)
        with pytest.raises(Unhealthy, match=r"503: .*postgres"):
            CHECKS[process]()
        health.report("postgres", well=True)
        CHECKS[process]()


def test_silence_is_not_health(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    """Where nothing listens, nothing is healthy."""
    monkeypatch.setenv("MILLRACE_EDGE_PORT", str(unused_port))
    monkeypatch.setenv("MILLRACE_GRPC_LISTEN", f"0.0.0.0:{unused_port}")
    with pytest.raises(Unhealthy, match="ConnectionRefusedError"):
        check_edge()
    with pytest.raises(Unhealthy, match="UNAVAILABLE"):
        check_server()


def test_a_port_that_is_switched_off_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a metrics port a drain, a worker and a scheduler cannot be asked."""
    monkeypatch.setenv("MILLRACE_METRICS_PORT", "0")
    with pytest.raises(Unhealthy, match="port is 0"):
        check_monitored()


class PassingOn(grpc.aio.ServerInterceptor):
    """Health needs no token, so the interceptor is not what is tested."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        return await continuation(details)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and a certificate of it that is good for names elsewhere."""
    folder = tmp_path_factory.mktemp("tls")
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ca -keyout ca.key -out ca.pem")
    _openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=own -keyout own.key -out own.csr")
    (folder / "names").write_text("subjectAltName=DNS:*.shop.example\n")
    signing = (
        "x509 -req -days 1 -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out own.pem"
    )
    _openssl(folder, signing)
    return folder


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("mutual", [False, True])
async def test_a_server_with_tls_is_asked_over_tls(certificates: Path, mutual: bool) -> None:
    """By its own certificate, also when it was made for other names and when callers have to show one."""
    own = certificates / "own.pem", certificates / "own.key"
    tls = TlsFiles(*own, certificates / "ca.pem" if mutual else None)
    async with GrpcHost(listen="127.0.0.1:0", services=[], interceptor=PassingOn(), tls=tls) as host:
        target = f"127.0.0.1:{host.port}"
        assert await asyncio.to_thread(serving_status, target, own, timeout=5.0) == "SERVING"
        assert await asyncio.to_thread(serving_status, target, None, timeout=5.0) == "UNAVAILABLE"


async def test_a_stopping_server_is_not_healthy() -> None:
    """It answers, but says NOT_SERVING."""
    host = GrpcHost(listen="127.0.0.1:0", services=[], interceptor=PassingOn())
    await host.__aenter__()
    stopping = asyncio.create_task(host.__aexit__(None, None, None))
    await asyncio.sleep(0)
    status = await asyncio.to_thread(serving_status, f"127.0.0.1:{host.port}", None, timeout=5.0)
    await stopping
    assert status == "NOT_SERVING"


@pytest.mark.parametrize("arguments", [[], ["egde"]])
def test_an_unknown_name_is_answered_with_those_there_are(arguments: list[str]) -> None:
    """A slip is not a traceback."""
    command = [sys.executable, "-m", "server.container", *arguments]
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert ", ".join(COMMANDS) in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_slip_in_the_name_is_not_health() -> None:
    """A container whose check asks for nothing we know is not called healthy for ever."""
    command = [sys.executable, "-m", "server.container", "health", "egde"]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 1
    assert "edge, server, drain, worker, scheduler, bucket-door" in checked.stderr


def test_a_command_that_ends_has_no_health() -> None:
    """A migration is never unhealthy."""
    checked = subprocess.run([sys.executable, "-m", "server.container", "health", "migrate"], check=False)
    assert checked.returncode == 0
