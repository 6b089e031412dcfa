"""What a log may hold of an exception that has PostgreSQL behind it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping

import asyncpg
from sqlalchemy import exc


def facts_for_log(error: BaseException) -> Mapping[str, object]:
    """The exception for the log's `exc_info`; when PostgreSQL is behind it, facts without any text instead.

    Its text quotes values: addresses, names, whatever was stored.
    """
    refused = next((each for each in _behind(error) if isinstance(each, _FROM_POSTGRES)), None)
    if refused is None:
        return {"exc_info": error}
    cause = _driver_error(refused)
    return {
        "error": type(error).__name__,
        "cause": type(cause).__name__,
        "sqlstate": getattr(cause, "sqlstate", None)
        or getattr(getattr(refused, "orig", None), "sqlstate", None),
        "constraint": getattr(cause, "constraint_name", None),
        "statement": getattr(refused, "statement", None),
        "traceback": "".join(traceback.format_tb(error.__traceback__)),
    }


_FROM_POSTGRES = (exc.DBAPIError, asyncpg.PostgresError)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The exception, and all that it was raised from or holds."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [other for other in (each.__cause__, each.__context__) if other is not None]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def _driver_error(error: BaseException) -> BaseException:
    """asyncpg's own exception, which SQLAlchemy wraps twice."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    return (original.__cause__ or original) if original is not None else error
