"""`health [PROCESS]`: ends with 0 when that process of this container can do its work.

Without a name it asks for the one that the container was started with. It reads the variables that the image
sets and imports little, since it starts anew every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from server.container.__main__ import COMMANDS

ENTRY = "server.container"
ANSWER_SECONDS = 3.0
_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


class Unhealthy(Exception):  # noqa: N818 - it names what is so
    """The process does not answer, or answers that it cannot work; the text says which."""


def check_edge() -> None:
    """Raises Unhealthy unless the edge says that it is ready."""
    _expect_ready(_loopback(os.environ.get("MILLRACE_EDGE_HOST", "")), _port("MILLRACE_EDGE_PORT", 8080))


def check_monitored() -> None:
    """Raises Unhealthy unless the process says on its metrics port that what it depends on is well."""
    _expect_ready(_loopback(os.environ.get("MILLRACE_METRICS_HOST", "")), _port("MILLRACE_METRICS_PORT", 0))


def check_bucket_door() -> None:
    """Raises Unhealthy unless the door says that it reaches the store of pictures."""
    _expect_ready(
        _loopback(os.environ.get("MILLRACE_BUCKET_DOOR_HOST", "")), _port("MILLRACE_MEDIA_PORT", 9001)
    )


def check_server() -> None:
    """Raises Unhealthy unless the server answers SERVING for the whole of itself."""
    # Half of this command's time, and of no use to the others.
    from server.container.grpc_health import serving_status  # noqa: PLC0415

    host, _, port = (os.environ.get("MILLRACE_GRPC_LISTEN") or "127.0.0.1:50051").rpartition(":")
    target = _authority(_loopback(host.strip("[]")), int(port))
    certificate = os.environ.get("MILLRACE_GRPC_TLS_CERT")
    key = os.environ.get("MILLRACE_GRPC_TLS_KEY")
    tls = (Path(certificate), Path(key)) if certificate and key else None
    status = serving_status(target, tls, timeout=ANSWER_SECONDS)
    if status != "SERVING":
        raise Unhealthy(f"{target} answers {status}")


CHECKS: Mapping[str, Callable[[], None]] = {
    "edge": check_edge,
    "server": check_server,
    "drain": check_monitored,
    "worker": check_monitored,
    "scheduler": check_monitored,
    "bucket-door": check_bucket_door,
}


def process_of(command_line: Sequence[str]) -> str:
    """The name behind the entry in a container's first command line; an init in front of it does no harm."""
    words = list(command_line)
    return words[words.index(ENTRY) + 1] if ENTRY in words[:-1] else ""


def main() -> None:
    """Check what is named, or what the container runs. Commands that run to their end have no health."""
    name = sys.argv[1] if len(sys.argv) > 1 else process_of(_first_command_line())
    if len(sys.argv) > 1 and name not in COMMANDS:
        sys.exit(f"{name} is none of our processes; these can be asked: {', '.join(CHECKS)}")
    check = CHECKS.get(name)
    if check is None:
        return
    try:
        check()
    except Unhealthy as error:
        sys.exit(f"{name} is not healthy: {error}")


def _first_command_line() -> list[str]:
    return Path("/proc/1/cmdline").read_bytes().decode(errors="replace").split("\0")


def _expect_ready(host: str, port: int) -> None:
    if port == 0:
        raise Unhealthy("its port is 0, so nothing there can be asked")
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        answer = connection.getresponse()
        said = answer.read(1000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"{_authority(host, port)}: {type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise Unhealthy(f"{_authority(host, port)} answers {answer.status}: {said}")


def _loopback(host: str) -> str:
    """Where this machine reaches what listens on `host`."""
    return _LOOPBACK.get(host, host)


def _port(variable: str, default: int) -> int:
    return int(os.environ.get(variable) or default)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


if __name__ == "__main__":
    main()
