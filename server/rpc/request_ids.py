"""The id that a request keeps from the edge to the last log line. The interceptor binds it to the logs."""

from __future__ import annotations

import re
import uuid

REQUEST_ID_KEY = "x-request-id"

_ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_from(offered: str | None) -> str:
    """The caller's own id when it is harmless in logs and headers, else a new one."""
    if offered is not None and _ACCEPTED.fullmatch(offered):
        return offered
    return uuid.uuid4().hex
