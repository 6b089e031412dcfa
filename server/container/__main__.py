"""`python -m server.container NAME …`: the image's entry, which runs a command of ours by its short name."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "edge": "edge",
    "server": "server",
    "drain": "workers.drain",
    "worker": "workers",
    "scheduler": "workers.scheduler",
    "bucket-door": "server.standalone.bucket_door",
    "migrate": "server.standalone.migrate",
    "backfill": "workers.backfill",
    "catalog": "server.catalog",
    "jobs": "server.jobs",
    "token": "server.auth",
    "gateway": "edge.gateway",
    "health": "server.container.health",
    "compose-env": "server.container.compose_env",
}
_USAGE = 2


def main() -> None:
    """Become the named module, as `python -m` would; the arguments behind the name are its own."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        print(f"Name one of these commands: {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(_USAGE)
    sys.argv[1:] = arguments
    # In this process and not a child: signals of the container arrive where they are handled.
    runpy.run_module(COMMANDS[name], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
