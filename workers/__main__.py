"""`python -m workers`: runs jobs until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import sys

import uvloop

from server.logs import configure_logs
from workers.app import serve
from workers.settings import WorkerSettings


async def _run(settings: WorkerSettings) -> None:
    await serve(settings)
    if len(asyncio.all_tasks()) > 1:
        # A handler that ignores its cancellation would keep the loop from closing, for ever.
        sys.stdout.flush()
        os._exit(0)


def main() -> None:
    """Read the settings, set up logs, serve."""
    settings = WorkerSettings.load()
    configure_logs(settings.log_level, settings.log_format)
    gc.freeze()
    uvloop.run(_run(settings))


if __name__ == "__main__":
    main()
