"""`python -m tests.contract.drain.killed_drain STEP N`: a drain that kills itself at the Nth STEP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from workers.drain.app import drain
from workers.drain.settings import DrainSettings
from workers.drain.steps import Step


def main() -> None:
    fatal, occurrences = sys.argv[1], int(sys.argv[2])
    met = 0

    def on_step(step: Step) -> None:
        nonlocal met
        met += step == fatal
        if met == occurrences:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(drain(DrainSettings.load(), asyncio.Event(), on_step=on_step))


if __name__ == "__main__":
    main()
