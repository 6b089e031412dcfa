"""A failed RPC as the problem that its caller may read: status, words, wrong fields, details.

Text that may describe the inside never passes; what a service says in the public types of `google.rpc` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from edge.problems import CLIENT_CLOSED_REQUEST, DEFAULT_RETRY_AFTER_S, Problem, first_of, title_of
from edge.rest.fields import descriptor_of
from edge.rest.json_writer import JsonWriters

log = structlog.get_logger()

_Detail = TypeVar("_Detail", bound=Message)

_STATUS_DETAILS_KEY = "grpc-status-details-bin"
# What gRPC calls an answer larger than this process takes. Its code is RESOURCE_EXHAUSTED, but no caller can
# wait until the answer is smaller.
_ANSWER_TOO_LARGE = "CLIENT: Received message larger than max"

_HTTP_STATUS: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: CLIENT_CLOSED_REQUEST,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}

# What the caller reads when the status text may come from the transport or from a bug: gRPC writes
# addresses, limits and exception texts into it.
_OWN_WORDS: Mapping[int, str] = {
    401: "Send a valid bearer token.",
    429: "Too many requests; try again later.",
    CLIENT_CLOSED_REQUEST: "The request was cancelled.",
    500: "The request could not be completed.",
    501: "This operation is not available here.",
    503: "The service is not available; try again later.",
    504: "The request took too long.",
}
# Of these only the code is told, not even what a service vouches for with an ErrorInfo.
_SILENT = frozenset({401, CLIENT_CLOSED_REQUEST, 500})

# Rendered as they are. ErrorInfo, BadRequest and RetryInfo have members or headers of their own; DebugInfo
# and RequestInfo are for whoever runs the service.
_PUBLIC = {
    descriptor_of(kind).full_name: kind
    for kind in (
        error_details_pb2.QuotaFailure,
        error_details_pb2.PreconditionFailure,
        error_details_pb2.ResourceInfo,
        error_details_pb2.Help,
        error_details_pb2.LocalizedMessage,
    )
}
_WRITERS = JsonWriters()


def problem_of_rpc_error(error: grpc.aio.AioRpcError, spell: Callable[[str], str]) -> Problem:
    """What the caller may know of a failed RPC. Never raises, whatever the details are.

    `spell` turns the path of a field as the server names it into the one that the caller wrote.
    """
    if _ANSWER_TOO_LARGE in (error.details() or ""):
        log.error("answer_too_large", reason=error.details())
        return Problem(500, detail=_OWN_WORDS[500])
    http_status = _HTTP_STATUS.get(error.code(), 500)
    if http_status in _SILENT:
        return Problem(http_status, detail=_OWN_WORDS[http_status], code=error.code().name)
    details = _status_details(error)
    info = next(_all(details, error_details_pb2.ErrorInfo), None)
    errors = list(_wrong_fields(details, spell))
    spoken = error.details() or title_of(http_status)
    if http_status in _OWN_WORDS and info is None:
        spoken = _OWN_WORDS[http_status]
    elif errors and errors[0][0] and error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        # The server speaks of proto paths; the caller wrote JSON.
        spoken = first_of(errors)
    return Problem(
        http_status,
        detail=spoken,
        code=error.code().name,
        reason=info.reason if info else None,
        metadata=dict(info.metadata) if info else None,
        errors=errors,
        details=list(_rendered(details)),
        headers=_retry_headers(details),
    )


def _status_details(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _all(details: status_pb2.Status, kind: type[_Detail]) -> Iterator[_Detail]:
    """The details of this kind; malformed ones are passed over."""
    for packed in details.details:
        if packed.Is(kind.DESCRIPTOR):
            try:
                yield kind.FromString(packed.value)
            except DecodeError:
                continue


def _wrong_fields(details: status_pb2.Status, spell: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    for bad in _all(details, error_details_pb2.BadRequest):
        for violation in bad.field_violations:
            yield spell(violation.field), violation.description


def _rendered(details: status_pb2.Status) -> Iterator[dict[str, object]]:
    for packed in details.details:
        kind: Any = _PUBLIC.get(packed.type_url.rpartition("/")[2])
        if kind is None:
            continue
        try:
            detail = kind.FromString(packed.value)
        except DecodeError:
            continue
        members: Any = _WRITERS.of(kind.DESCRIPTOR)(detail)
        yield {"@type": packed.type_url, **members}


def _retry_headers(details: status_pb2.Status) -> dict[str, str] | None:
    """Whole seconds, rounded up."""
    retry = next(_all(details, error_details_pb2.RetryInfo), None)
    if retry is None:
        return None
    delay_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return {"Retry-After": str(max(DEFAULT_RETRY_AFTER_S, math.ceil(delay_s)))}
