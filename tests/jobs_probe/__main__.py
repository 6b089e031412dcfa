"""`python -m tests.jobs_probe`: a worker as `python -m workers` is one, whose tasks are the probes.

MILLRACE_PROBE_RELEASE=old makes it one that was not deployed yet.
"""

import asyncio
import os
import signal

import uvloop

from server.logs import configure_logs
from tests.jobs_probe.handlers import new_release, old_release
from workers.app import work
from workers.settings import WorkerSettings

RELEASES = {"old": old_release, "new": new_release}


async def run() -> None:
    settings = WorkerSettings.load()
    configure_logs(settings.log_level, settings.log_format)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await work(settings, stopping, handlers_of=RELEASES[os.environ.get("MILLRACE_PROBE_RELEASE", "new")])


if __name__ == "__main__":
    uvloop.run(run())
