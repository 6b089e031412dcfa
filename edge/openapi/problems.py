"""Refusals in the document: the problem's schema, and a response for each status that a caller may meet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from edge.openapi.comments import bullets, paragraphs
from edge.openapi.contract import Contract
from edge.openapi.shapes import Schema, reference
from edge.problems import CONTENT_TYPE

_REASONS_ENUM = "ErrorReason"
_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_SPOKEN_CODE = re.compile(rf"\b({'|'.join(_CODES)})\b(?: \(([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*)\))?")

# Status -> name of the response, what it means, and headers beside the request id.
_RESPONSES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "400": (
        "BadRequest",
        "Something in the request is not understood or breaks a rule; `errors` names each field.",
        (),
    ),
    "401": ("Unauthenticated", "The credential is missing, expired or not ours.", ("WWW-Authenticate",)),
    "403": ("Forbidden", "The credential is good, and may not do this.", ()),
    "404": ("NotFound", "There is no such thing, as far as the caller may know.", ()),
    "408": ("RequestTimeout", "The body did not arrive in time.", ()),
    "409": ("Conflict", "It exists already, or something else changed meanwhile.", ()),
    "413": ("ContentTooLarge", "The body is too large.", ()),
    "415": ("UnsupportedMediaType", "The body is not of a type or coding that is read here.", ()),
    "429": ("TooManyRequests", "Too many requests; come back later.", ("Retry-After",)),
    "500": ("InternalError", "Something went wrong inside; the request id finds it in the logs.", ()),
    "503": ("Unavailable", "The service is not available at the moment; come back later.", ("Retry-After",)),
    "504": ("DeadlineExceeded", "The answer was not ready in time.", ()),
    "default": (
        "Problem",
        "Any other refusal, such as 405 for a method that the path does not know, which `Allow` lists.",
        ("Allow",),
    ),
}
_EXAMPLE = {
    "type": "about:blank",
    "title": "Bad Request",
    "status": 400,
    "detail": "size: must be a whole number",
    "instance": "50779ae126c86fa1-0000002a",
    "code": "INVALID_ARGUMENT",
    "errors": [{"field": "size", "message": "must be a whole number"}],
}
HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        "description": "Names the request in the logs: the one sent, or a new one.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {
        "description": "The scheme of the credential wanted.",
        "schema": {"type": "string"},
    },
    "Allow": {"description": "With 405: the methods that the path answers.", "schema": {"type": "string"}},
    "ETag": {
        "description": "Names this content; sent back as `If-None-Match` it spares sending it again.",
        "schema": {"type": "string"},
    },
}


def header(name: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"}}


def problem_responses() -> dict[str, Any]:
    """The component responses, by name."""
    return {name: _response(words, headers) for name, words, headers in _RESPONSES.values()}


def refusals(statuses: Sequence[str], reasons: dict[str, list[str]]) -> dict[str, Any]:
    """References to the responses for these statuses; known reasons are listed."""
    found: dict[str, Any] = {}
    for status in statuses:
        name, words, _ = _RESPONSES[status]
        found[status] = {"$ref": f"#/components/responses/{name}"}
        if reasons.get(status):
            listed = ", ".join(f"`{reason}`" for reason in reasons[status])
            found[status]["description"] = f"{words} Reasons: {listed}."
    return found


def spoken_reasons(comment: str) -> dict[str, list[str]]:
    """The statuses that a method's comment speaks of, as gRPC codes, each with the reasons in parentheses."""
    found: dict[str, list[str]] = {}
    for code, reasons in _SPOKEN_CODE.findall(comment):
        listed = found.setdefault(str(_CODES[code]), [])
        listed += [reason for reason in reasons.split(", ") if reason and reason not in listed]
    return found


def problem_schema(contract: Contract, packages: Sequence[str]) -> Schema:
    """RFC 9457 with what we add. Reasons are those of the `ErrorReason` enums of these packages."""
    reasons = _known_reasons(contract, packages)
    reason: Schema = {
        "type": "string",
        "description": paragraphs("A name that programs may rely on.", bullets(reasons.items())),
    }
    if reasons:
        reason["x-known-values"] = list(reasons)
    return {
        "type": "object",
        "description": "Why a request was refused (RFC 9457).",
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "description": "Always `about:blank`."},
            "title": {"type": "string", "description": "The status in words."},
            "status": {"type": "integer", "format": "int32", "description": "The HTTP status."},
            "detail": {"type": "string", "description": "What is wrong and what to do, for people."},
            "instance": {"type": "string", "description": "The request id."},
            "code": {"type": "string", "enum": list(_CODES), "description": "The gRPC code."},
            "reason": reason,
            "metadata": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Facts that belong to the reason.",
            },
            "errors": {
                "type": "array",
                "items": reference("FieldProblem"),
                "description": "Every field at fault.",
            },
            "details": {
                "type": "array",
                "items": {"type": "object", "properties": {"@type": {"type": "string"}}},
                "description": "Further details, as `google.rpc` defines them.",
            },
        },
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "examples": [_EXAMPLE],
    }


def field_problem_schema() -> Schema:
    return {
        "type": "object",
        "description": "A field at fault.",
        "properties": {
            "field": {
                "type": "string",
                "description": "Its path as written, such as `variants[0].price`; empty for the whole.",
            },
            "message": {"type": "string", "description": "What it must be."},
        },
        "required": ["field", "message"],
    }


def _response(words: str, headers: Sequence[str]) -> dict[str, Any]:
    named = {key: value for name in ("X-Request-Id", *headers) for key, value in header(name).items()}
    return {
        "description": words,
        "headers": named,
        "content": {CONTENT_TYPE: {"schema": reference("Problem")}},
    }


def _known_reasons(contract: Contract, packages: Sequence[str]) -> dict[str, str]:
    """Reasons with what they mean; the zero value is never sent."""
    return {
        value.name: contract.comment(f"{enum.full_name}.{value.name}")
        for enum in contract.enums_named(_REASONS_ENUM, packages)
        for value in enum.values
        if value.number
    }
