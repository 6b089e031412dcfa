"""Which of the gateway's own paths, such as `/healthz`, are left to it by the contract it serves."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from edge.rest.matcher import RuleTree
from edge.rest.routes import Route

log = structlog.get_logger()


def free_paths(paths: Iterable[str], routes: RuleTree[Route]) -> list[str]:
    """The paths that no rule spells out. A rule that does is the contract's word, and wins.

    One that only reaches the path with a wildcard does not: the more specific one answers, as among rules.
    """
    taken = {_literal_path(route) for route in routes.rules()}
    for path in taken.intersection(paths):
        log.warning("own_path_taken_by_a_rule", path=path)
    return [path for path in paths if path not in taken]


def _literal_path(route: Route) -> str | None:
    """The one path that the route answers, None when there may be several."""
    template = route.template
    if template.verb is not None or not all(isinstance(piece, str) for piece in template.pieces):
        return None
    return "/" + "/".join(map(str, template.pieces))
