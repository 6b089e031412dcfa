"""Spells routes for people who read logs."""

from __future__ import annotations

from edge.rest.routes import Route
from edge.rest.templates import Template, Wildcard


def spelled(route: Route) -> str:
    """Method and template, as short as the grammar allows: `GET /v1/{name=shelves/*}:read`."""
    return f"{route.http_method} {_path(route.template)}"


def _path(template: Template) -> str:
    texts = [piece.value if isinstance(piece, Wildcard) else piece for piece in template.pieces]
    for variable in reversed(template.variables):
        inner = "/".join(texts[variable.start : variable.stop])
        name = ".".join(variable.field_path)
        spelled = f"{{{name}}}" if inner == Wildcard.ONE.value else f"{{{name}={inner}}}"
        texts[variable.start : variable.stop] = [spelled]
    return "/" + "/".join(texts) + (f":{template.verb}" if template.verb else "")
