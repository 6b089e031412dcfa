"""Refusals as `application/problem+json` (RFC 9457), whether the edge or a service refused.

Knows HTTP statuses and the names of gRPC codes, and no route and no domain. What a failed RPC says is read in
`edge.rest.failures`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from aiohttp import web

CONTENT_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499
DEFAULT_RETRY_AFTER_S = 1

# The gRPC code of what is refused before there is an RPC. A body that is too large is what gRPC itself calls
# a message that is too large; a method that a path does not have is one that nobody implements.
_CODES: Mapping[int, str] = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    410: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    CLIENT_CLOSED_REQUEST: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    505: "UNIMPLEMENTED",
}

# RFC 9110 renamed some; which names `http` has depends on the Python.
_TITLES = {CLIENT_CLOSED_REQUEST: "Client Closed Request", 413: "Content Too Large", 414: "URI Too Long"}


class FieldProblem(NamedTuple):
    """One wrong field: its lowerCamelCase path, and what to do about it."""

    field: str
    message: str


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A refusal on its way to the caller: raise it, or answer with `response()`.

    `code` defaults to the gRPC code that the status stands for. `metadata` belongs to `reason`; `details` are
    JSON objects, each with an `@type`.
    """

    def __init__(
        self,
        status: int,
        *,
        detail: str,
        title: str | None = None,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        code: str | None = None,
        errors: Sequence[tuple[str, str]] = (),
        details: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.title = title or title_of(status)
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.code = code or code_of(status)
        self.errors = tuple(FieldProblem(*error) for error in errors)
        self.details = tuple(details)
        self.headers = dict(headers or {})

    def document(self, instance: str) -> dict[str, object]:
        """The problem as JSON-ready members; `instance` is the request id."""
        members: dict[str, object] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
        }
        optional = {
            "reason": self.reason,
            "metadata": self.metadata,
            "errors": [error._asdict() for error in self.errors],
            "details": self.details,
        }
        return members | {name: value for name, value in optional.items() if value}

    def response(self, instance: str | None = None) -> web.Response:
        """Answer the caller; a request id is minted when none is given."""
        return web.Response(
            status=self.status,
            reason=self.title,
            body=msgspec.json.encode(self.document(instance or str(uuid.uuid4()))),
            content_type=CONTENT_TYPE,
            headers=self.owed_headers(),
        )

    def owed_headers(self) -> dict[str, str]:
        """Its headers, and those that its status asks for."""
        return _with_owed_headers(self.status, self.headers)


def invalid_field(field: str, message: str) -> Problem:
    """A 400 that names the one field, query parameter or body member at fault; "" is the request itself."""
    return invalid_fields([(field, message)]) if field else Problem(400, detail=message)


def invalid_fields(errors: Sequence[tuple[str, str]]) -> Problem:
    """A 400 that names every field at fault, the first of them also in `detail`."""
    return Problem(400, detail=first_of(errors), errors=errors)


def first_of(errors: Sequence[tuple[str, str]]) -> str:
    """The first wrong field in words, and how many more there are."""
    field, message = errors[0]
    spoken = f"{field}: {message}" if field else message
    return spoken if len(errors) == 1 else f"{spoken} (and {len(errors) - 1} more, see errors)"


def code_of(status: int) -> str:
    """The name of the gRPC code that an HTTP status of ours stands for."""
    return _CODES.get(status) or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL")


def title_of(status: int) -> str:
    """The status in words; also for 499, which has no registered phrase."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def _with_owed_headers(status: int, headers: Mapping[str, str]) -> dict[str, str]:
    """A 429 or 503 must say when to retry; a 401 which scheme to use, and nothing about the failure."""
    owed: dict[str, str] = {}
    if status in {429, 503}:
        owed["Retry-After"] = str(DEFAULT_RETRY_AFTER_S)
    if status == 401:
        owed["WWW-Authenticate"] = "Bearer"
    return owed | dict(headers)
