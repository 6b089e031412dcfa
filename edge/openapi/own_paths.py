"""What the edge answers itself, without an RPC: the redirect, events, its health, and this document."""

from __future__ import annotations

from typing import Any

from edge.openapi.event_path import EVENTS, take_events
from edge.openapi.problems import header, refusals
from edge.openapi.shapes import Schema

REDIRECTS = {"name": "Redirects", "description": "Where shoppers' clicks come in."}
EDGE = {"name": "Edge", "description": "The edge itself: its health and its documents."}
OWN_TAGS = (REDIRECTS, EVENTS, EDGE)

_HTML = {"text/html": {"schema": {"type": "string"}}}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def own_paths() -> dict[str, Any]:
    """Path items of what `edge.app` serves by hand."""
    return {
        "/l/{code}": {"get": _follow_link()},
        "/api/v1/analytics/events": {"post": take_events()},
        "/healthz": {"get": _health()},
        "/readyz": {"get": _readiness()},
        "/api/openapi.json": {"get": _document()},
        "/api/docs": {"get": _page()},
    }


def _follow_link() -> dict[str, Any]:
    ended = "Answers a page to those who prefer HTML."
    return {
        "operationId": "Edge_FollowLink",
        "tags": [REDIRECTS["name"]],
        "summary": "Leads a shopper on and counts the click",
        "description": (
            "Leads to the link's destination, or to its fallback once it has ended. A person's click is "
            "counted and gets a cookie that remembers it; bots and prefetches are counted apart and get "
            "none. HEAD is answered alike and never counted. Nothing in the query changes the destination, "
            "but a link may pass the query on."
        ),
        "parameters": [
            {
                "name": "code",
                "in": "path",
                "required": True,
                "description": "The link's short code, in any case.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 64},
                "example": "summer-sale",
            }
        ],
        "responses": {
            "302": {
                "description": "Go there.",
                "headers": header("X-Request-Id")
                | {
                    "Location": {
                        "required": True,
                        "description": "An absolute http(s) address on one of the program's hosts.",
                        "schema": {"type": "string", "format": "uri"},
                    },
                    "Set-Cookie": {
                        "description": "`mr_click`, signed, for as long as a click earns; for people only.",
                        "schema": {"type": "string"},
                    },
                    "Cache-Control": {"schema": {"type": "string", "const": "private, no-store"}},
                },
            },
            "404": _page_or_problem(f"There is no such link. {ended}"),
            "410": _page_or_problem(f"The link was disabled or has expired, and has no fallback. {ended}"),
            "503": _page_or_problem(
                "The link could not be looked up. Try again in a moment.", header("Retry-After")
            ),
            **refusals(["default"], {}),
        },
        "security": [],
    }


def _health() -> dict[str, Any]:
    return {
        "operationId": "Edge_Healthz",
        "tags": [EDGE["name"]],
        "summary": "Says that the process lives",
        "responses": {
            "200": _json("It lives.", _object({"status": {"const": "alive"}})),
            **refusals(["default"], {}),
        },
        "security": [],
    }


def _readiness() -> dict[str, Any]:
    state = _object(
        {
            "status": {"enum": ["ready", "unready", "stopping"]},
            "dependencies": {
                "type": "object",
                "description": "How each is, in a word; `up` is the good one.",
                "additionalProperties": {"type": "string"},
            },
        }
    )
    return {
        "operationId": "Edge_Readyz",
        "tags": [EDGE["name"]],
        "summary": "Says whether the process should be sent traffic",
        "responses": {
            "200": _json("It should.", state),
            "503": _json("It should not, for now.", state, header("Retry-After")),
            **refusals(["default"], {}),
        },
        "security": [],
    }


def _document() -> dict[str, Any]:
    return {
        "operationId": "Edge_OpenApi",
        "tags": [EDGE["name"]],
        "summary": "Answers this document",
        "responses": {
            "200": _json("An OpenAPI 3.1 document.", {"type": "object"}, header("ETag")),
            "304": {"description": "The caller has it already."},
            **refusals(["default"], {}),
        },
        "security": [],
    }


def _page() -> dict[str, Any]:
    return {
        "operationId": "Edge_Docs",
        "tags": [EDGE["name"]],
        "summary": "Shows this document as a page to browse and try",
        "responses": {
            "200": {"description": "The page.", "headers": header("X-Request-Id"), "content": _HTML},
            "304": {"description": "The caller has it already."},
            **refusals(["default"], {}),
        },
        "security": [],
    }


def _page_or_problem(words: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": words,
        "headers": header("X-Request-Id") | (headers or {}),
        "content": {**_PROBLEM, **_HTML},
    }


def _json(words: str, schema: Schema, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": words,
        "headers": header("X-Request-Id") | (headers or {}),
        "content": {"application/json": {"schema": schema}},
    }


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}
