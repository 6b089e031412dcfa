"""What an exception out of a servicer means to the caller. Nothing of its text ever reaches the wire."""

from __future__ import annotations

import asyncio
import errno
import socket

import grpc
import redis.exceptions
from sqlalchemy import exc

from server.errors import DomainError, InvalidArgument, Unavailable
from server.rpc.status import Outcome, outcome_of, plain_outcome

DEADLINE_PASSED = plain_outcome(
    grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline passed before the answer was ready.", "DEADLINE_PASSED"
)
INTERNAL = plain_outcome(
    grpc.StatusCode.INTERNAL, "Something went wrong inside. Quote the request id.", "INTERNAL_ERROR"
)

_RETRY_AFTER_SECONDS = 1.0
# Classes of SQLSTATE that pass by themselves: connection, transaction rollback, insufficient resources,
# operator intervention; and a write that met a server in recovery.
_PASSING_SQLSTATES = ("08", "40", "53", "57P", "25006")
_STATEMENT_TIMEOUT = "57014"
# Ways to a host that end before any of its own answers; Python has no subclass of OSError for them.
# No number at all is asyncio's sum of several addresses of one name that all refused.
_UNREACHABLE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, None})
# What PostgreSQL says to a NUL, in a text and in JSON. Other bytes that are no text never get that far.
_NUL_SQLSTATES = ("22021", "22P05")


def outcome_of_exception(error: Exception) -> Outcome:
    """The end of a call that raised `error`; INTERNAL for everything unforeseen."""
    if isinstance(error, DomainError):
        return outcome_of(error)
    if sqlstate_of(error) == _STATEMENT_TIMEOUT:
        return DEADLINE_PASSED
    if sqlstate_of(error) in _NUL_SQLSTATES:
        return outcome_of(InvalidArgument("Texts must not contain NUL characters.", reason="INVALID_FIELD"))
    if store_is_away(error):
        return outcome_of(
            Unavailable(
                "A store cannot be reached at the moment. Repeat the call.",
                reason="STORE_UNAVAILABLE",
                retry_after=_RETRY_AFTER_SECONDS,
            )
        )
    return INTERNAL


def store_is_away(error: Exception) -> bool:
    """Whether PostgreSQL or Redis could not be reached, was lost on the way, or had no room at the moment."""
    if isinstance(error, (ConnectionError, asyncio.TimeoutError, socket.gaierror, exc.TimeoutError)):
        return True
    if type(error) is OSError and error.errno in _UNREACHABLE:
        return True
    if isinstance(error, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
        return True
    if not isinstance(error, exc.DBAPIError):
        return False
    state = sqlstate_of(error)
    if state is not None:
        return state.startswith(_PASSING_SQLSTATES)
    return error.connection_invalidated or isinstance(error, (exc.OperationalError, exc.InterfaceError))


def sqlstate_of(error: Exception) -> str | None:
    """PostgreSQL's five-letter error code, when the error came from PostgreSQL."""
    if not isinstance(error, exc.DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None
