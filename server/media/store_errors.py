"""What may go wrong with an object store, in our words. Nothing here talks to one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

log = structlog.get_logger(__name__)

_MISSING: Final = frozenset({"NoSuchKey", "NotFound", "404"})
_BUSY: Final = frozenset(
    {
        "SlowDown",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "RequestTimeout",
        "InternalError",
    }
)


class StoreUnavailable(Exception):  # noqa: N818  (says what is, as its callers read it)
    """The store did not do what we asked for: not reachable, too slow, throttling, broken, or set up wrongly.

    A wrong set-up is in here too (keys refused, no bucket, no credentials): it is the operator's to mend, and
    a caller can do nothing but ask again later. The log says what it is; the text is for logs too.
    """


class ObjectMissing(Exception):  # noqa: N818  (says what is, as its callers read it)
    """No object has this key."""


class ObjectTooLarge(Exception):  # noqa: N818  (says what is, as its callers read it)
    """The object has more bytes than the caller was ready to take."""


@contextlib.contextmanager
def translated(operation: str, key: str = "") -> Iterator[None]:
    """Turns what the client library raises into the exceptions above; `operation` names it in the log.

    Mistakes in our own call, such as an empty key, are let through.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  (judged by type, and raised again if it is none of ours)
        _translate(error, operation, key)


def _translate(error: Exception, operation: str, key: str) -> NoReturn:
    """Raises the exception of ours that `error` stands for, else `error` itself."""
    # Whoever gets here has opened the store and so waited for these already.
    from aiohttp import ClientError as ConnectionFailure  # noqa: PLC0415
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        ParamValidationError,
    )

    if isinstance(error, ParamValidationError):
        raise error
    if isinstance(error, ClientError):
        _translate_answer(error, operation, key)
    if isinstance(error, NoCredentialsError):
        raise no_credentials() from error
    # aiohttp's own are raised where an answer breaks off while it is read.
    if isinstance(error, (BotoCoreError, ConnectionFailure, asyncio.TimeoutError, OSError)):
        raise StoreUnavailable(f"{operation}: {type(error).__name__}: {error}") from error
    raise error


def _translate_answer(error: ClientError, operation: str, key: str) -> NoReturn:
    """Raises what an answer of the store that refuses something means."""
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        raise ObjectMissing(key) from error
    if status < 500 and code not in _BUSY and status != 429:
        _say_misconfigured(operation, code=code, status=status)
    raise StoreUnavailable(f"{operation}: the store answered {status} {code}") from error


def _say_misconfigured(operation: str, *, code: str, status: int) -> None:
    log.error(
        "object_store_refused_us",
        operation=operation,
        status=status,
        code=code,
        hint="check MILLRACE_S3_BUCKET, its endpoint and region, the keys and what the bucket allows them",
    )


def no_credentials() -> StoreUnavailable:
    """The exception for a store that nobody gave us credentials for, said in the log."""
    log.error(
        "object_store_credentials_missing",
        hint="set MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY, or give the process a role",
    )
    return StoreUnavailable("no credentials for the object store: MILLRACE_S3_ACCESS_KEY is not set")
