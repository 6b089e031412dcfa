"""Finds the one rule that a method and a path belong to: the most specific, with backtracking.

A tree of segments: at each node a literal is tried first, then `*`, then `**`, so the first rule found is the
most specific one. A node has one depth, so a search visits each node at most once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from edge.rest.target import Segment
from edge.rest.templates import Template, Variable, Wildcard

ANY_METHOD = "*"

Rule = TypeVar("Rule")


class SameShapeError(ValueError):
    """Two rules answer one method at one shape of path; `other` is the rule that was there first."""

    def __init__(self, other: object) -> None:
        super().__init__("another rule has the same method and shape")
        self.other = other


@dataclass(frozen=True, slots=True)
class Match(Generic[Rule]):
    """The rule found, and the text that each of its template's variables captured."""

    rule: Rule
    captures: tuple[tuple[Variable, str], ...]


@dataclass(slots=True)
class _Node(Generic[Rule]):
    literals: dict[str, _Node[Rule]] = field(default_factory=dict)
    one: _Node[Rule] | None = None
    rest: _Node[Rule] | None = None
    # verb -> method -> rule
    rules: dict[str | None, dict[str, tuple[Template, Rule]]] = field(default_factory=dict)


class RuleTree(Generic[Rule]):
    """Every rule of the gateway. Filled at start, then only read."""

    def __init__(self) -> None:
        self._root: _Node[Rule] = _Node()
        self._verbs: set[str] = set()
        self._rules: list[Rule] = []

    def add(self, method: str, template: Template, rule: Rule) -> None:
        """Register a rule. Raises `SameShapeError` when method, segments and verb are taken."""
        node = self._root
        for piece in template.pieces:
            node = _child(node, piece)
        methods = node.rules.setdefault(template.verb, {})
        if method in methods:
            raise SameShapeError(methods[method][1])
        methods[method] = (template, rule)
        self._rules.append(rule)
        if template.verb is not None:
            self._verbs.add(template.verb)

    def rules(self) -> list[Rule]:
        """Every rule, in the order they were added."""
        return list(self._rules)

    def find(self, method: str, segments: Sequence[Segment]) -> Match[Rule] | None:
        """The most specific rule for this method, or None. HEAD falls back to GET."""
        segments, verb = self._split_verb(segments)
        for wanted in (method, "GET") if method == "HEAD" else (method,):
            for methods in _candidates(self._root, segments, 0, verb):
                found = methods.get(wanted) or methods.get(ANY_METHOD)
                if found:
                    template, rule = found
                    return Match(rule, _captures(template, segments))
        return None

    def allowed(self, segments: Sequence[Segment]) -> list[str]:
        """The methods that some rule answers at this path, for `Allow`; empty when the path is unknown."""
        segments, verb = self._split_verb(segments)
        methods = {method for found in _candidates(self._root, segments, 0, verb) for method in found}
        if "GET" in methods:
            methods.add("HEAD")
        if methods:
            methods.add("OPTIONS")
        return sorted(methods - {ANY_METHOD})

    def _split_verb(self, segments: Sequence[Segment]) -> tuple[Sequence[Segment], str | None]:
        """Only a raw colon before a registered verb is a verb: `%3A` stays part of the value."""
        last = segments[-1]
        raw, colon, verb = last.raw.rpartition(":")
        if not colon or verb not in self._verbs:
            return segments, None
        return [*segments[:-1], Segment(raw, last.text[: -len(verb) - 1])], verb


def _child(node: _Node[Rule], piece: str | Wildcard) -> _Node[Rule]:
    if piece is Wildcard.ONE:
        node.one = node.one or _Node()
        return node.one
    if piece is Wildcard.REST:
        node.rest = node.rest or _Node()
        return node.rest
    return node.literals.setdefault(str(piece), _Node())


def _candidates(
    node: _Node[Rule], segments: Sequence[Segment], position: int, verb: str | None
) -> Iterator[dict[str, tuple[Template, Rule]]]:
    """Rules by method at every node that fits the whole path, most specific node first."""
    if position == len(segments):
        if verb in node.rules:
            yield node.rules[verb]
    else:
        text = segments[position].text
        if text in node.literals:
            yield from _candidates(node.literals[text], segments, position + 1, verb)
        if text and node.one is not None:
            yield from _candidates(node.one, segments, position + 1, verb)
    if node.rest is not None and verb in node.rest.rules:
        yield node.rest.rules[verb]


def _captures(template: Template, segments: Sequence[Segment]) -> tuple[tuple[Variable, str], ...]:
    return tuple(
        (variable, _captured(variable, segments[variable.start : variable.stop]))
        for variable in template.variables
    )


def _captured(variable: Variable, segments: Sequence[Segment]) -> str:
    if not variable.spans_segments:
        return segments[0].text
    return "/".join(segment.text_keeping_slashes for segment in segments)
