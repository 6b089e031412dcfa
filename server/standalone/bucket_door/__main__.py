"""`python -m server.standalone.bucket_door`: serves both sides until it is told to stop."""

from __future__ import annotations

import uvloop

from server.logs import configure_logs
from server.standalone.bucket_door.app import serve
from server.standalone.bucket_door.settings import DoorSettings


def main() -> None:
    """Read the settings, set up logs, serve."""
    settings = DoorSettings.load()
    configure_logs(settings.log_level, settings.log_format)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
