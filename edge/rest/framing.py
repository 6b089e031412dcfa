"""How the messages of a stream stand one after the other: as lines of JSON or as server-sent events.

Which of the two a client gets is its `Accept` header's choice; lines are for whoever expressed none.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from edge.accept import prefers_events


@dataclass(frozen=True, slots=True)
class Framing:
    """What stands around each JSON text. `heartbeat` is b"" where there is no way to say nothing."""

    media_type: str
    opening: bytes
    closing: bytes
    failure_opening: bytes
    failure_closing: bytes
    heartbeat: bytes
    end: bytes

    def message(self, text: bytes) -> bytes:
        """One message; JSON texts of ours have no line breaks."""
        return self.opening + text + self.closing

    def failure(self, document: bytes) -> bytes:
        """The last word of a stream that broke: the status is out already."""
        return self.failure_opening + document + self.failure_closing


LINES = Framing(
    media_type="application/x-ndjson",
    opening=b"",
    closing=b"\n",
    failure_opening=b'{"error":',
    failure_closing=b"}\n",
    heartbeat=b"",
    end=b"",
)
# An EventSource connects again when its stream ends, whether or not that was the end of the answer: without
# an event that says so, it could not know when to close itself.
EVENTS = Framing(
    media_type="text/event-stream",
    opening=b"data: ",
    closing=b"\n\n",
    failure_opening=b"event: error\ndata: ",
    failure_closing=b"\n\n",
    heartbeat=b":\n\n",
    end=b"event: end\ndata: {}\n\n",
)


def chosen_framing(request: web.Request) -> Framing:
    """The framing that this client would rather have."""
    accept = ",".join(request.headers.getall("Accept", ()))
    return EVENTS if accept and prefers_events(accept) else LINES
