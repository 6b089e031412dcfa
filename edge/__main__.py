"""Starts one edge process: `python -m edge`."""

import uvloop

from edge.logs import configure_logs
from edge.process import run
from edge.settings import load_settings


def main() -> None:
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    uvloop.run(run(settings))


if __name__ == "__main__":
    main()
