"""What can go wrong between us and Redis, told apart by what the caller may do next."""

from __future__ import annotations


class RedisFailure(Exception):  # noqa: N818 - named for what is so
    """A command was not answered as hoped: the base of everything the pipelining client raises."""


class RedisUnavailable(RedisFailure):
    """Redis did not answer: not connected, connection lost, or too slow.

    ``maybe_executed`` is true when the command may have reached Redis. Only a command that is harmless twice
    may then be sent again.
    """

    def __init__(self, message: str, *, maybe_executed: bool) -> None:
        super().__init__(message)
        self.maybe_executed = maybe_executed


class Overloaded(RedisUnavailable):
    """Too many commands are waiting for answers already; this one was not sent."""

    def __init__(self, in_flight: int) -> None:
        super().__init__(f"{in_flight} commands are waiting for Redis already", maybe_executed=False)


class RedisReplyError(RedisFailure):
    """Redis answered with an error. ``code`` is its first word, such as ``WRONGTYPE``, ``OOM`` or ``ERR``."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message.split(" ", 1)[0]

    @property
    def is_function_missing(self) -> bool:
        """Whether FCALL named a function that Redis does not have; it then ran nothing."""
        return self.code == "ERR" and "Function not found" in str(self)
