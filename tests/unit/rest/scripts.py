"""Asks the probe for streams that follow a script, and takes event streams apart."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from edge.rest.streaming import StreamPace
from tests.unit.rest.probe import Answer

EVENTS = {"Accept": "text/event-stream"}
QUICK = StreamPace(head_within=0.1, heartbeat_after=0.1)


def tell(*steps: str, path: str = "/v1/tell") -> str:
    return f"{path}?{urlencode([('steps', step) for step in steps])}"


def events(answer: Answer) -> list[tuple[str, Any]]:
    """The events as (type, data), as a browser would dispatch them; comments are none."""
    parsed = []
    for block in answer.body.decode().split("\n\n"):
        fields = [line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")]
        if fields:
            event = dict(fields)
            parsed.append((event.get("event", "message"), json.loads(event["data"])))
    assert answer.body.endswith(b"\n\n") or not answer.body
    return parsed
