"""Free loopback ports, remembered so that addresses stay the same from one start to the next."""

import json
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from server.standalone.private_files import write_private

# Below every usual ephemeral range, so that no outgoing connection takes a port between two starts, and far
# below 55,535: a cluster's bus listens 10,000 above its port.
LOWEST, HIGHEST = 20_000, 32_000
ATTEMPTS = 200


class NoFreePortError(Exception):
    """A loopback port could not be had."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """A port that nothing listens on now and that is not in `taken`."""
    for _ in range(ATTEMPTS):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311  (spreads stacks apart; not a secret)
        if port not in taken and is_free(port):
            return port
    raise NoFreePortError(f"no free port between {LOWEST} and {HIGHEST}")


class RememberedPorts:
    """Ports by name: a fixed one, else the one of last time if still free, else a free one.

    A name asked for twice gets the same port, also once something listens there.
    """

    def __init__(self, file: Path, fixed: Mapping[str, int]) -> None:
        self._file = file
        self._fixed = fixed
        self._remembered: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        self._given: dict[str, int] = {}

    def port(self, name: str) -> int:
        """The port of `name`; raises NoFreePortError when a fixed one is in use."""
        if name not in self._given:
            self._given[name] = self._choose(name)
        return self._given[name]

    def save(self) -> None:
        """Writes the file; call it once all ports are known."""
        write_private(self._file, json.dumps({**self._remembered, **self._given}, indent=1))

    def _choose(self, name: str) -> int:
        if name in self._fixed:
            port = self._fixed[name]
            if port in self._given.values() or not is_free(port):
                raise NoFreePortError(f"port {port} (MILLRACE_{name.upper()}_PORT) is in use or not allowed")
            return port
        taken = frozenset({*self._given.values(), *self._fixed.values()})
        remembered = self._remembered.get(name)
        if remembered is not None and remembered not in taken and is_free(remembered):
            return remembered
        return free_port(taken.union(self._remembered.values()))
