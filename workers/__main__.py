"""`python -m workers`: runs jobs until it is told to stop."""

from __future__ import annotations

import gc

import uvloop

from server.logs import configure_logs
from workers.app import serve
from workers.settings import WorkerSettings


def main() -> None:
    """Read the settings, set up logs, serve."""
    settings = WorkerSettings.load()
    configure_logs(settings.log_level, settings.log_format)
    gc.freeze()
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
