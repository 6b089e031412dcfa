"""What the analytics service refuses, each with a reason of `millrace.analytics.v1.ErrorReason`."""

from server.analytics.ranges import BadRange
from server.errors import FieldViolation, InvalidArgument, NotFound, Unavailable

_SOON_SECONDS = 2.0


class EventNotFound(NotFound):
    """No event of this id is stored, waiting or dead."""

    def __init__(self, event_id: str) -> None:
        super().__init__(
            "No event of this id is stored, waiting or dead.",
            reason="EVENT_NOT_FOUND",
            metadata={"event_id": event_id},
        )


class EventSearchIncomplete(Unavailable):
    """The event may wait behind more records than are searched."""

    def __init__(self, searched: int) -> None:
        super().__init__(
            f"Not stored, and not among the {searched:,} oldest records that wait. Ask again later.",
            reason="EVENT_SEARCH_INCOMPLETE",
            retry_after=10.0,
        )


class StreamUnavailable(Unavailable):
    """Redis is away."""

    def __init__(self) -> None:
        super().__init__(
            "Redis cannot be reached at the moment. Repeat the call.",
            reason="STREAM_UNAVAILABLE",
            retry_after=_SOON_SECONDS,
        )


class StreamOverloaded(Unavailable):
    """Too many records wait to be stored."""

    def __init__(self) -> None:
        super().__init__(
            "Too many events wait to be stored. Repeat the call later.",
            reason="STREAM_OVERLOADED",
            retry_after=_SOON_SECONDS,
        )


def refused_range(bad: BadRange) -> InvalidArgument:
    """A request whose range cannot be read."""
    return refused_field(bad.field, bad.message)


def refused_field(field: str, message: str) -> InvalidArgument:
    """A request with one wrong field, by its name in the protos."""
    return InvalidArgument(
        f"{field}: {message}", reason="INVALID_FIELD", fields=[FieldViolation(field, message)]
    )
