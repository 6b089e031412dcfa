"""`python -m workers.drain`: drains the click streams into PostgreSQL until it is told to stop."""

from __future__ import annotations

import gc

import uvloop

from server.logs import configure_logs
from workers.drain.app import serve
from workers.drain.settings import DrainSettings


def main() -> None:
    """Read the settings, set up logs, serve."""
    settings = DrainSettings.load()
    configure_logs(settings.log_level, settings.log_format)
    # A batch is ten thousand short-lived lists without cycles: looking for some costs a sixth of its time.
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
