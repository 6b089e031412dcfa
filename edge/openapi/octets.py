"""Bytes: base64 text of as many bytes as the rules demand."""

from __future__ import annotations

import base64
from typing import Any

from edge.openapi.rules import Rules
from edge.openapi.shapes import Form, Schema

_DIGIT = "[A-Za-z0-9+/_-]"
# How one or two bytes behind the last whole group of three are spelled.
_ENDINGS = ("", f"{_DIGIT}{{2}}(?:==)?", f"{_DIGIT}{{3}}=?")


def bytes_schema(rules: Rules, form: Form) -> Schema:
    """Bytes as base64 of either alphabet, padded right or not at all."""
    schema: Schema = {"type": "string", "contentEncoding": "base64"}
    if form is Form.OUTPUT:
        return schema
    constant, wanted = rules.value("const"), rules.value("in")
    listed = [constant] if constant is not None else wanted
    if listed is not None:
        return {**schema, "enum": [base64.b64encode(value).decode() for value in listed]}
    fewest, most = _lengths(rules)
    schema["pattern"] = base64_pattern(fewest, most)
    schema |= {"x-min-bytes": fewest} if fewest else {}
    schema |= {"x-max-bytes": most} if most is not None else {}
    said = {name: rules.value(name) for name in ("pattern", "prefix", "suffix", "contains")}
    texts = {name: _shown(value) for name, value in said.items() if value is not None}
    return {**schema, "x-bytes": texts} if texts else schema


def empty_bytes_pass(rules: Rules) -> bool:
    if any(rules.value(name) for name in ("len", "min_len", "const", "prefix", "suffix", "contains")):
        return False
    if any(rules.value(name) for name in ("ip", "ipv4", "ipv6", "uuid")):
        return False
    wanted, refused = rules.value("in"), rules.value("not_in")
    return (wanted is None or b"" in wanted) and (refused is None or b"" not in refused)


def base64_pattern(fewest: int, most: int | None) -> str:
    """A pattern of the base64 of `fewest` to `most` bytes."""
    alternatives = []
    for rest, ending in enumerate(_ENDINGS):
        low = max(0, -((rest - fewest) // 3))
        high = None if most is None else (most - rest) // 3
        if high is not None and high < low:
            continue
        groups = f"(?:{_DIGIT}{{4}}){{{low},{'' if high is None else high}}}"
        alternatives.append(("" if high == 0 else groups) + ending)
    return f"^(?:{'|'.join(alternatives)})$"


def _lengths(rules: Rules) -> tuple[int, int | None]:
    exact = rules.value("len")
    if rules.value("uuid") or rules.value("ipv6"):
        exact = 16
    if rules.value("ipv4"):
        exact = 4
    if rules.value("ip"):
        return 4, 16
    return (exact, exact) if exact is not None else (rules.value("min_len") or 0, rules.value("max_len"))


def _shown(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
