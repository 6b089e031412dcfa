"""Where the running stack keeps its jobs, when neither the command line nor the environment says so."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Final

import click

# What a command ends with when it could not find out what it was asked.
COULD_NOT_ASK: Final = 2


def stack_address_or_exit(name: str, variable: str) -> str:
    """The value of `name` in `endpoints.json` of the stack that `make run` started.

    Without one it proposes to set `variable` instead, and ends the process with COULD_NOT_ASK.
    """
    path = Path(os.environ.get("MILLRACE_STATE_DIR") or ".millrace") / "endpoints.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))[name])
    except (OSError, ValueError, KeyError):
        click.echo(
            f"No running stack was found ({path} cannot be read). Start one with `make run`, "
            f"or set {variable}.",
            err=True,
        )
        sys.exit(COULD_NOT_ASK)
