"""Finds the one rule that a method and a path belong to: the most specific, with backtracking.

A tree of segments: at each node a literal is tried first, then `*`, then `**`, so the first rule found is the
most specific one. A node has one depth, so a search visits each node at most once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from edge.rest.target import Segment, decode
from edge.rest.templates import Template, Variable, Wildcard

ANY_METHOD = "*"

Rule = TypeVar("Rule")


class SameShapeError(ValueError):
    """Two rules answer one method at one shape of path; `other` is the rule that was there first."""

    def __init__(self, other: object) -> None:
        super().__init__("another rule has the same method and shape")
        self.other = other


class Match(NamedTuple, Generic[Rule]):
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
        """The most specific rule for this method, or None. What answers GET answers HEAD."""
        segments, verb = self._split_verb(segments)
        found = _search(self._root, segments, 0, verb, method)
        if found is None:
            return None
        template, rule = found
        return Match(rule, _captures(template, segments))

    def allowed(self, segments: Sequence[Segment]) -> list[str]:
        """The methods that some rule answers at this path, for `Allow`; empty when the path is unknown."""
        segments, verb = self._split_verb(segments)
        methods = {name for found in self._fitting(segments, verb) for name in found}
        if "GET" in methods:
            methods.add("HEAD")
        if methods:
            methods.add("OPTIONS")
        return sorted(methods - {ANY_METHOD})

    def _fitting(
        self, segments: Sequence[Segment], verb: str | None
    ) -> Iterator[dict[str, tuple[Template, Rule]]]:
        return _candidates(self._root, segments, 0, verb)

    def _split_verb(self, segments: Sequence[Segment]) -> tuple[Sequence[Segment], str | None]:
        """Take a verb off the last segment, if that is what stands behind its last raw colon.

        It is one when a rule with that verb fits the path, whatever the rule's method: what other paths have
        for verbs changes nothing here. `%3A` always stays part of the value. With nothing before the colon
        it can only be a verb whose value was lost; read as a value, it would name something else.
        """
        last = segments[-1]
        if ":" not in last.raw:
            return segments, None
        raw, _, raw_verb = last.raw.rpartition(":")
        verb = decode(raw_verb)
        if verb not in self._verbs:
            return segments, None
        without_verb = [*segments[:-1], Segment(raw, decode(raw))]
        if raw and next(self._fitting(without_verb, verb), None) is None:
            return segments, None
        return without_verb, verb


def _child(node: _Node[Rule], piece: str | Wildcard) -> _Node[Rule]:
    if piece is Wildcard.ONE:
        node.one = node.one or _Node()
        return node.one
    if piece is Wildcard.REST:
        node.rest = node.rest or _Node()
        return node.rest
    return node.literals.setdefault(str(piece), _Node())


def _search(
    node: _Node[Rule], segments: Sequence[Segment], position: int, verb: str | None, method: str
) -> tuple[Template, Rule] | None:
    """The first rule for the method in the order of `_candidates`, without a generator for each node."""
    found = None
    if position == len(segments):
        found = _of_method(node, verb, method)
    else:
        text = segments[position].text
        literal = node.literals.get(text)
        if literal is not None:
            found = _search(literal, segments, position + 1, verb, method)
        if found is None and text and node.one is not None:
            found = _search(node.one, segments, position + 1, verb, method)
    if found is None and node.rest is not None:
        found = _of_method(node.rest, verb, method)
    return found


def _of_method(node: _Node[Rule], verb: str | None, method: str) -> tuple[Template, Rule] | None:
    methods = node.rules.get(verb)
    if methods is None:
        return None
    found = methods.get(method)
    if found is None and method == "HEAD":
        found = methods.get("GET")
    return found or methods.get(ANY_METHOD)


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
