"""Refusals as `application/problem+json` (RFC 9457), whether the edge or a service refused.

Knows HTTP statuses and gRPC statuses, and no route and no domain.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple, TypeVar

import grpc
import msgspec
from aiohttp import web
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

CONTENT_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499
DEFAULT_RETRY_AFTER_S = 1

_Detail = TypeVar("_Detail", bound=Message)

_STATUS_DETAILS_KEY = "grpc-status-details-bin"

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
# Their text is never passed on, not even when a service vouches for it with an ErrorInfo.
_ALWAYS_OWN_WORDS = frozenset({401, CLIENT_CLOSED_REQUEST, 500})


class FieldProblem(NamedTuple):
    """One wrong field: its lowerCamelCase path, and what to do about it."""

    field: str
    message: str


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A refusal on its way to the caller: raise it, or answer with `response()`."""

    def __init__(
        self,
        status: int,
        *,
        detail: str,
        title: str | None = None,
        reason: str | None = None,
        code: str | None = None,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.title = title or title_of(status)
        self.reason = reason
        self.code = code
        self.errors = tuple(FieldProblem(*error) for error in errors)
        self.headers = dict(headers or {})

    def document(self, instance: str) -> dict[str, object]:
        """The problem as JSON-ready members; `instance` is the request id."""
        members: dict[str, object] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        optional = {
            "code": self.code,
            "reason": self.reason,
            "errors": [error._asdict() for error in self.errors],
        }
        return members | {name: value for name, value in optional.items() if value}

    def response(self, instance: str | None = None) -> web.Response:
        """Answer the caller; a request id is minted when none is given."""
        return web.Response(
            status=self.status,
            reason=self.title,
            body=msgspec.json.encode(self.document(instance or str(uuid.uuid4()))),
            content_type=CONTENT_TYPE,
            headers=_with_owed_headers(self.status, self.headers),
        )


def problem_response(
    status: int,
    *,
    title: str,
    detail: str,
    reason: str | None = None,
    code: str | None = None,
    errors: Sequence[tuple[str, str]] = (),
    instance: str,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A finished problem+json answer; `errors` are (field, message) pairs, `instance` the request id."""
    problem = Problem(
        status, title=title, detail=detail, reason=reason, code=code, errors=errors, headers=headers
    )
    return problem.response(instance)


def invalid_field(field: str, message: str) -> Problem:
    """A 400 that names the one field, query parameter or body member at fault."""
    return Problem(
        400,
        detail=f"{field}: {message}" if field else message,
        code=grpc.StatusCode.INVALID_ARGUMENT.name,
        errors=[(field, message)] if field else (),
    )


def problem_of_rpc_error(error: grpc.aio.AioRpcError, *, body_field: str = "") -> Problem:
    """What the caller may know of a failed RPC: its code, reason, wrong fields and when to come back.

    Text that may describe the inside (no ErrorInfo vouches for it, or the code says a bug) is replaced.
    `body_field` is the request's field that was the whole body: the caller never wrote its name.
    """
    http_status = _HTTP_STATUS.get(error.code(), 500)
    details = _status_details(error)
    info = _first(details, error_details_pb2.ErrorInfo)
    spoken = error.details() or ""
    unvouched = http_status in _OWN_WORDS and info is None
    if unvouched or http_status in _ALWAYS_OWN_WORDS or not spoken:
        spoken = _OWN_WORDS.get(http_status, title_of(http_status))
    violations = _violations(details)
    errors = [(json_path(_as_written(path, body_field)), message) for path, message in violations]
    if errors and error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        # The server speaks of proto paths; the caller wrote JSON.
        spoken = f"{errors[0][0]}: {errors[0][1]}" if errors[0][0] else spoken
    return Problem(
        http_status,
        detail=spoken,
        code=error.code().name,
        reason=info.reason if info and http_status != 500 else None,
        errors=errors,
        headers=_retry_headers(details) if http_status in {429, 503} else None,
    )


# RFC 9110 renamed some; which names `http` has depends on the Python.
_TITLES = {CLIENT_CLOSED_REQUEST: "Client Closed Request", 413: "Content Too Large", 414: "URI Too Long"}


def title_of(status: int) -> str:
    """The status in words; also for 499, which has no registered phrase."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def json_path(field_path: str) -> str:
    """A proto field path as the JSON caller wrote it: `a_b.c_d[0]` becomes `aB.cD[0]`."""
    return re.sub(r"_+([a-z0-9])", lambda match: match[1].upper(), field_path)


def _with_owed_headers(status: int, headers: Mapping[str, str]) -> dict[str, str]:
    """A 429 or 503 must say when to retry; a 401 which scheme to use, and nothing about the failure."""
    owed: dict[str, str] = {}
    if status in {429, 503}:
        owed["Retry-After"] = str(DEFAULT_RETRY_AFTER_S)
    if status == 401:
        owed["WWW-Authenticate"] = "Bearer"
    return owed | dict(headers)


def _status_details(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _first(details: status_pb2.Status, kind: type[_Detail]) -> _Detail | None:
    """The first detail of this kind; unknown and malformed details are passed over."""
    for packed in details.details:
        if packed.Is(kind.DESCRIPTOR):
            try:
                return kind.FromString(packed.value)
            except DecodeError:
                return None
    return None


def _violations(details: status_pb2.Status) -> list[tuple[str, str]]:
    bad = _first(details, error_details_pb2.BadRequest)
    return [(v.field, v.description) for v in bad.field_violations] if bad else []


def _as_written(field_path: str, body_field: str) -> str:
    """The path within the body, when a field of the request was the whole body."""
    return field_path.removeprefix(f"{body_field}.") if body_field else field_path


def _retry_headers(details: status_pb2.Status) -> dict[str, str] | None:
    retry = _first(details, error_details_pb2.RetryInfo)
    if retry is None:
        return None
    delay_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return {"Retry-After": str(max(DEFAULT_RETRY_AFTER_S, math.ceil(delay_s)))}
