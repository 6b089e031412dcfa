"""`python -m server.standalone.clean`: removes a stack's state, wherever it is.

Standard library only, since there may be no virtual environment; a state folder that is named in the file of
`MILLRACE_ENV_FILE` needs one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

from server.standalone.places import remove_outside
from server.standalone.state_lock import (
    SUPERVISOR_LOCK,
    StackRunningError,
    stack_lock,
    supervisor_lock,
    wait_for_last_run,
)

DEFAULT = Path(__file__).parents[2] / ".millrace"


def clean(state: Path) -> list[Path]:
    """Removes the state folder and what the stack keeps elsewhere; returns what was removed.

    Raises StackRunningError while the stack runs, FileNotFoundError for a folder that was never a stack's.
    """
    if not state.exists():
        return remove_outside(state)
    if not (state / SUPERVISOR_LOCK).exists():
        raise FileNotFoundError(f"{state} does not look like a stack's state folder; remove it by hand")
    with supervisor_lock(state), stack_lock(state) as lock:
        # A supervisor that was killed leaves children that still write while they end.
        asyncio.run(wait_for_last_run(lock, print))
        removed = remove_outside(state)
        shutil.rmtree(state)
    return [*removed, state]


def state_folder() -> Path:
    """The folder that a stack started from the same environment would use."""
    named = os.environ.get("MILLRACE_STATE_DIR")
    if named or not os.environ.get("MILLRACE_ENV_FILE"):
        return Path(named or DEFAULT).absolute()
    from server.standalone.settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        return load_settings().state
    except SettingsError as error:
        sys.exit(f"clean: {error}")


if __name__ == "__main__":
    try:
        for folder in clean(state_folder()):
            print(f"removed {folder}")
    except (StackRunningError, OSError) as error:
        sys.exit(f"clean: {error}")
