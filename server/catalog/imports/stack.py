"""Where the running stack is and the token for it, when the command line does not say."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


class StackNotFound(Exception):  # noqa: N818 - named for what is so
    """Neither the command line nor the environment nor a running stack says where to connect."""


@dataclass(frozen=True, slots=True)
class StackAddress:
    """A gRPC target and an admin's token."""

    target: str
    token: str


def find_stack(target: str | None, token: str | None) -> StackAddress:
    """What is given, completed from `endpoints.json` of the stack that `make run` started.

    Raises StackNotFound with what to do.
    """
    if target and token:
        return StackAddress(target, token)
    path = Path(os.environ.get("MILLRACE_STATE_DIR", ".millrace")) / "endpoints.json"
    try:
        endpoints = json.loads(path.read_text(encoding="utf-8"))
        return StackAddress(target or endpoints["grpc_target"], token or endpoints["admin_token"])
    except (OSError, ValueError, KeyError) as error:
        raise StackNotFound(
            f"No running stack was found ({path} cannot be read). Start one with `make run`, "
            "or give --target and --token."
        ) from error
