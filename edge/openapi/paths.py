"""Path templates as OpenAPI knows them: every wildcard becomes a parameter of one segment.

What OpenAPI cannot say (that a capture spans segments, or begins with a literal) stands in the parameter's
words and in `x-` members.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from edge.openapi.free_names import free_name
from edge.rest.fields import FieldPath
from edge.rest.routes import Route
from edge.rest.templates import Template, Variable, Wildcard

# What may stand in a path segment without an escape.
_STANDS = "-._~!$&'()*+,;=:@"
_PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class PathParameter:
    """One wildcard of a template. `variable` and `field` are None for one that binds nothing."""

    name: str
    variable: Variable | None
    field: FieldPath | None
    takes_rest: bool


@dataclass(frozen=True, slots=True)
class DescribedPath:
    """A template's path with its parameters, in the order they stand in it."""

    text: str
    parameters: tuple[PathParameter, ...]

    @property
    def shape(self) -> str:
        """The path without its parameters' names: OpenAPI takes two paths of one shape for the same."""
        return _PARAMETER.sub("{}", self.text)

    def renamed_as(self, other: DescribedPath) -> DescribedPath:
        """The same path with the names of another of its shape."""
        renamed = (
            replace(own, name=theirs.name)
            for own, theirs in zip(self.parameters, other.parameters, strict=True)
        )
        return DescribedPath(other.text, tuple(renamed))


def describe_path(route: Route) -> DescribedPath:
    template = route.template
    names = _Names(route)
    parts: list[str] = []
    parameters: list[PathParameter] = []
    for position, piece in enumerate(template.pieces):
        if isinstance(piece, Wildcard):
            parameter = names.parameter(position, piece)
            parameters.append(parameter)
            parts.append(f"{{{parameter.name}}}")
        else:
            parts.append(quote(piece, safe=_STANDS))
    verb = f":{quote(template.verb, safe=_STANDS)}" if template.verb is not None else ""
    return DescribedPath(f"/{'/'.join(parts)}{verb}", tuple(parameters))


def template_text(template: Template, variable: Variable) -> str:
    """The pattern that a variable captures, as the rule spells it."""
    pieces = template.pieces[variable.start : variable.stop]
    return "/".join(piece.value if isinstance(piece, Wildcard) else piece for piece in pieces)


class _Names:
    """Names for the wildcards of one route: those of the fields they bind, told apart where they clash."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._taken: set[str] = set()

    def parameter(self, position: int, piece: Wildcard) -> PathParameter:
        takes_rest = piece is Wildcard.REST
        for variable, field in self._route.path_fields:
            stop = len(self._route.template.pieces) if variable.stop is None else variable.stop
            if variable.start <= position < stop:
                name = free_name(field.leaf.json_name, self._taken)
                return PathParameter(name, variable, field, takes_rest)
        return PathParameter(free_name("segment", self._taken), None, None, takes_rest)
