"""Where the running stack keeps its jobs, when neither the command line nor the environment says so."""

from __future__ import annotations

import json
import os
from pathlib import Path


class StackNotFound(Exception):  # noqa: N818 - named for what is so
    """Nothing says where to connect; the text says what to do."""


def stack_address(name: str, variable: str) -> str:
    """The value of `name` in `endpoints.json` of the stack that `make run` started.

    Raises StackNotFound, which proposes to set `variable` instead.
    """
    path = Path(os.environ.get("MILLRACE_STATE_DIR") or ".millrace") / "endpoints.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))[name])
    except (OSError, ValueError, KeyError) as error:
        raise StackNotFound(
            f"No running stack was found ({path} cannot be read). Start one with `make run`, "
            f"or set {variable}."
        ) from error
