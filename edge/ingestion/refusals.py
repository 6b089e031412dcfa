"""Why events are not taken, as the caller reads it: the body as a whole, all its events, or the moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from edge.problems import Problem
from millrace.streams.event_input import MalformedBody, Rejection

# What a malformed body is called where it has no member that could be named.
WHOLE_BODY: Final = "body"
# The drain has to catch up first, which takes longer than a moment.
STREAMS_FULL_RETRY_SECONDS: Final = 5
SPOOL_FULL_RETRY_SECONDS: Final = 5


class NothingAccepted(Problem):
    """A 400 that lists, beside the usual members, what is wrong with each event."""

    def __init__(self, detail: str, rejected: Sequence[Rejection]) -> None:
        super().__init__(400, detail=detail)
        self.rejected = rejected

    def document(self, instance: str) -> dict[str, object]:
        return super().document(instance) | {"rejected": [each._asdict() for each in self.rejected]}


def all_rejected(rejected: Sequence[Rejection]) -> NothingAccepted:
    """For a body without a single good event; the first is also in the detail."""
    index, field, reason = rejected[0]
    others = f" (and {len(rejected) - 1} more, see rejected)" if len(rejected) > 1 else ""
    what = f"events[{index}].{field}" if field else f"events[{index}]"
    return NothingAccepted(f"{what}: {reason}{others}", rejected)


def malformed(error: MalformedBody) -> NothingAccepted:
    """For a body that cannot be taken apart into events."""
    field = error.field or WHOLE_BODY
    return NothingAccepted(f"{field}: {error.reason}", [Rejection(0, field, error.reason)])


def too_many_events(wait_seconds: float) -> Problem:
    """For a caller above its rate."""
    return Problem(
        429,
        detail="Too many events from this address. Send them later or more slowly.",
        headers={"Retry-After": str(max(1, math.ceil(wait_seconds)))},
    )


def streams_full() -> Problem:
    """For anybody while the streams are above their high-water mark."""
    return Problem(
        503,
        detail="More events wait to be stored than we hold. Send them again later.",
        headers={"Retry-After": str(STREAMS_FULL_RETRY_SECONDS)},
    )


def nowhere_to_keep() -> Problem:
    """For events that neither Redis nor the spool could take; some of them may be kept all the same."""
    return Problem(
        503,
        detail="The events cannot be kept at the moment. Send them again later, with the same ids.",
        headers={"Retry-After": str(SPOOL_FULL_RETRY_SECONDS)},
    )
