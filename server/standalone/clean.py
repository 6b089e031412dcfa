"""`python -m server.standalone.clean`: removes a stack's state, wherever it is; standard library only."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from server.standalone.places import remove_outside
from server.standalone.state_lock import SUPERVISOR_LOCK, StackRunningError, supervisor_lock

DEFAULT = Path(__file__).parents[2] / ".millrace"


def clean(state: Path) -> list[Path]:
    """Removes the state folder and what the stack keeps elsewhere; returns what was removed.

    Raises StackRunningError while the stack runs, FileNotFoundError for a folder that was never a stack's.
    """
    if not state.exists():
        return remove_outside(state)
    if not (state / SUPERVISOR_LOCK).exists():
        raise FileNotFoundError(f"{state} does not look like a stack's state folder; remove it by hand")
    with supervisor_lock(state):
        removed = remove_outside(state)
        shutil.rmtree(state)
    return [*removed, state]


if __name__ == "__main__":
    try:
        for folder in clean(Path(os.environ.get("MILLRACE_STATE_DIR") or DEFAULT).absolute()):
            print(f"removed {folder}")
    except (StackRunningError, OSError) as error:
        sys.exit(f"clean: {error}")
