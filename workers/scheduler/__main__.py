"""`python -m workers.scheduler`: keeps the queues moving until it is told to stop."""

from __future__ import annotations

import uvloop

from server.logs import configure_logs
from workers.process_settings import ProcessSettings
from workers.scheduler.app import serve


def main() -> None:
    """Read the settings, set up logs, serve."""
    settings = ProcessSettings.load()
    configure_logs(settings.log_level, settings.log_format)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
