"""The processes of ours that a stack consists of, and the environment that they are given.

To add a process, add its function to `own_processes` and its name to `STOP_ORDER`.
"""

import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from server.standalone.backing.object_store import DoorPorts
from server.standalone.backing.services import BackingServices
from server.standalone.children import ChildSpec, Probe
from server.standalone.ports import RememberedPorts
from server.standalone.probes import accepts, all_of, http_ok
from server.standalone.settings import PROJECT, Settings

# Where the demo shop would be, were there one.
SHOP = "shop.example"
SERVER, DRAIN, EDGE, BUCKET_DOOR = "server", "drain", "edge", "bucket-door"
WORKER, SCHEDULER = "worker", "scheduler"
# Doors first, so that nothing new comes in, then what adds jobs without being asked. Workers and drain finish
# what they have while the server still answers.
STOP_ORDER = (EDGE, BUCKET_DOOR, SCHEDULER, WORKER, DRAIN, SERVER)
# Longer than any of them may take to finish what is under way; nearly always it is a second or two.
STOP_WITHIN = 45.0


def own_environment(
    settings: Settings,
    backing: BackingServices,
    keys: Mapping[str, str],
    *,
    grpc_ports: Sequence[int],
    edge_port: int,
) -> dict[str, str]:
    """The environment of every process of ours. What is set already wins over defaults, not addresses."""
    defaults = {
        "MILLRACE_MODE": "development",
        "MILLRACE_COOKIE_SECURE": "false",
        # A load test on this machine plays many visitors; nobody else can connect from loopback.
        "MILLRACE_TRUSTED_PROXIES": "127.0.0.0/8,::1/128",
        "MILLRACE_REFLECTION": "true",
        "MILLRACE_LOG_FORMAT": "json",
        "MILLRACE_PUBLIC_URL": edge_url(settings, edge_port),
        "MILLRACE_OWN_HOSTS": f"{SHOP},www.{SHOP}",
        # So do their countries.
        "MILLRACE_COUNTRY_HEADER": "CF-IPCountry",
        **keys,
    }
    addresses = {
        "MILLRACE_STATE_DIR": str(settings.state),
        "MILLRACE_POSTGRES_DSN": backing.postgres_dsn,
        "MILLRACE_REDIS_URL": backing.redis_url,
        **backing.pictures.environment(),
        "MILLRACE_GRPC_TARGET": grpc_target(grpc_ports),
    }
    environment = {**defaults, **settings.environment, **addresses}
    # Its lines are in here already, without the empty ones, which mean "not set" to us.
    environment.pop("MILLRACE_ENV_FILE", None)
    return environment


def server_ports(settings: Settings, ports: RememberedPorts) -> dict[str, int]:
    """The gRPC port of each server by its name; each has its own, since a shared one loses calls."""
    names = numbered(SERVER, settings.server_processes)
    return {name: ports.port(name.replace(SERVER, "grpc")) for name in names}


def numbered(kind: str, count: int) -> list[str]:
    """The names of `count` processes of a kind. The first keeps its name, and so its ports, in any number."""
    return [kind, *(f"{kind}-{number}" for number in range(2, count + 1))]


def grpc_target(ports: Sequence[int]) -> str:
    """What a gRPC channel is opened to: one address as it is, several as one name for all of them."""
    addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
    return addresses if len(ports) == 1 else f"ipv4:{addresses}"


def edge_url(settings: Settings, port: int) -> str:
    """The base URL of the edge as seen from this machine."""
    host = reachable_host(settings)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reachable_host(settings: Settings) -> str:
    """Where this machine reaches the edge: loopback when it listens everywhere."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(settings.edge_host, settings.edge_host)  # noqa: S104


def own_processes(
    settings: Settings,
    environment: Mapping[str, str],
    ports: RememberedPorts,
    door: socket.socket,
    logs: Path,
    *,
    bucket_door: DoorPorts | None,
) -> list[ChildSpec]:
    """The drain, and as many of the others as wanted; edges all accept from the one socket `door`.

    The bucket's door is one too where it has ports.
    """
    edges = [f"{EDGE}-{number}" for number in range(1, settings.edge_processes + 1)]
    return [
        *(
            _server(name, port, environment, ports, logs)
            for name, port in server_ports(settings, ports).items()
        ),
        *(_edge(name, environment, ports, door, logs, host=reachable_host(settings)) for name in edges),
        _process(DRAIN, "workers.drain", environment, ports, logs),
        *(
            _process(name, "workers", environment, ports, logs)
            for name in numbered(WORKER, settings.worker_processes)
        ),
        *(
            _process(name, "workers.scheduler", environment, ports, logs)
            for name in numbered(SCHEDULER, settings.scheduler_processes)
        ),
        *([_bucket_door(bucket_door, environment, logs)] if bucket_door else []),
    ]


def stop_order(names: list[str]) -> list[list[str]]:
    """The names of running processes of ours, grouped and ordered by when to stop them."""
    return [[name for name in names if name == kind or name.startswith(f"{kind}-")] for kind in STOP_ORDER]


def _process(
    name: str,
    module: str,
    environment: Mapping[str, str],
    ports: RememberedPorts,
    logs: Path,
    *,
    ready: Probe | None = None,
) -> ChildSpec:
    metrics = ports.port(f"metrics-{name}")
    return ChildSpec(
        name=name,
        command=(sys.executable, "-m", module),
        environment={**environment, "MILLRACE_METRICS_PORT": str(metrics)},
        folder=PROJECT,
        log=logs / f"{name}.log",
        ready=ready or http_ok(metrics, "/readyz"),
        stop_within=STOP_WITHIN,
    )


def _server(
    name: str, port: int, environment: Mapping[str, str], ports: RememberedPorts, logs: Path
) -> ChildSpec:
    listening = {**environment, "MILLRACE_GRPC_LISTEN": f"127.0.0.1:{port}"}
    return _process(name, "server", listening, ports, logs, ready=accepts(port))


def _bucket_door(ports: DoorPorts, environment: Mapping[str, str], logs: Path) -> ChildSpec:
    """It has no figures, so no port for them. What it needs to reach the store it loads when first asked."""
    return ChildSpec(
        name=BUCKET_DOOR,
        command=(sys.executable, "-m", "server.standalone.bucket_door"),
        environment=environment,
        folder=PROJECT,
        log=logs / f"{BUCKET_DOOR}.log",
        ready=all_of([accepts(ports.upload), accepts(ports.public)]),
        stop_within=STOP_WITHIN,
    )


def _edge(
    name: str,
    environment: Mapping[str, str],
    ports: RememberedPorts,
    door: socket.socket,
    logs: Path,
    *,
    host: str,
) -> ChildSpec:
    metrics = ports.port(f"metrics-{name}")
    port = int(door.getsockname()[1])
    return ChildSpec(
        name=name,
        command=(sys.executable, "-m", "edge"),
        environment={
            **environment,
            "MILLRACE_METRICS_PORT": str(metrics),
            "MILLRACE_EDGE_FD": str(door.fileno()),
        },
        folder=PROJECT,
        log=logs / f"{name}.log",
        ready=all_of([accepts(metrics), http_ok(port, "/readyz", host)]),
        stop_within=STOP_WITHIN,
        inherited=(door.fileno(),),
    )
