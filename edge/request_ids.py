"""Names every request, so that one can be followed from the edge to a job.

The id says nothing secret and is not one.
"""

import re
import secrets
from itertools import count

_SANE = re.compile(r"[A-Za-z0-9._-]{8,128}")


class RequestIds:
    """Keeps a sane incoming id, mints one otherwise: random per process, then counting."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)

    def choose(self, incoming: str | None) -> str:
        if incoming is not None and _SANE.fullmatch(incoming):
            return incoming
        return f"{self._prefix}-{next(self._numbers):08x}"
