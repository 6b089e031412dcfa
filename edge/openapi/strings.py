"""Texts: the formats, lengths and patterns that rules demand of them."""

from __future__ import annotations

import re
from typing import Any

from edge.openapi.patterns import CONTROL_FREE, matches, or_empty, portable_pattern
from edge.openapi.rules import Rules
from edge.openapi.shapes import Form, Schema, both, or_one_of

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@" + _LABEL + "(?:\\." + _LABEL + ")*$"
_UUID = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
_HEADER_NAME, _HEADER_VALUE = 1, 2

# What each well-known rule demands. Names under `x-format` are checked by the service, not by JSON Schema.
_WELL_KNOWN: dict[str, Schema] = {
    "email": {"format": "email", "pattern": _EMAIL},
    "hostname": {"format": "hostname"},
    "ip": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    "ipv4": {"format": "ipv4"},
    "ipv6": {"format": "ipv6"},
    "uri": {"format": "uri"},
    "uri_ref": {"format": "uri-reference"},
    "address": {"anyOf": [{"format": "hostname"}, {"format": "ipv4"}, {"format": "ipv6"}]},
    "uuid": {"format": "uuid"},
    "tuuid": {"pattern": "^[0-9A-Fa-f]{32}$"},
    "ip_with_prefixlen": {"x-format": "IP address with prefix length", "minLength": 1},
    "ipv4_with_prefixlen": {"x-format": "IPv4 address with prefix length", "minLength": 1},
    "ipv6_with_prefixlen": {"x-format": "IPv6 address with prefix length", "minLength": 1},
    "ip_prefix": {"x-format": "IP prefix", "minLength": 1},
    "ipv4_prefix": {"x-format": "IPv4 prefix", "minLength": 1},
    "ipv6_prefix": {"x-format": "IPv6 prefix", "minLength": 1},
    "host_and_port": {"x-format": "host and port", "minLength": 1},
    "ulid": {"pattern": "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"},
    "protobuf_fqn": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*(?:\\.[A-Za-z_][A-Za-z0-9_]*)*$"},
    "protobuf_dot_fqn": {"pattern": "^\\.[A-Za-z_][A-Za-z0-9_]*(?:\\.[A-Za-z_][A-Za-z0-9_]*)*$"},
}
_HEADER_PATTERNS = {
    (_HEADER_NAME, True): "^:?[0-9a-zA-Z!#$%&'*+\\-.^_|~`]+$",
    (_HEADER_NAME, False): "^[^\\u0000\\n\\r]+$",
    (_HEADER_VALUE, True): "^[^\\u0000-\\u0008\\n-\\u001f\\u007f]*$",
    (_HEADER_VALUE, False): "^[^\\u0000\\n\\r]*$",
}
_MAY_BE_EMPTY = frozenset({"uri_ref"})


def string_schema(rules: Rules, form: Form) -> Schema:
    """A text. The zero value is judged by `empty_text_passes`, which see."""
    if form is Form.OUTPUT:
        return {"type": "string"}
    listed = _listed(rules)
    if listed is not None:
        return {"type": "string", "enum": listed}
    schema: Schema = {"type": "string", **_lengths(rules)}
    for part in (*_well_known(rules), *({"pattern": pattern} for pattern in _patterns(rules))):
        schema = both(schema, part)
    for refused in _refusals(rules):
        schema = both(schema, {"not": refused})
    if form is Form.TEXT and "format" not in schema:
        schema = both(schema, {"pattern": CONTROL_FREE})
    return schema


def with_empty_text(schema: Schema) -> Schema:
    """The schema of a text, letting the empty one pass too: nothing is asked of it."""
    only_pattern = schema.keys() <= {"type", "pattern", "maxLength"} and "pattern" in schema
    if only_pattern:
        return {**schema, "pattern": or_empty(schema["pattern"])}
    if schema == {"type": "string", "format": "uuid"}:
        return {"type": "string", "pattern": or_empty(_UUID)}
    return or_one_of(schema, [""])


def empty_text_passes(rules: Rules) -> bool:
    """Whether the empty text breaks no rule."""
    if any(rules.value(name) for name in ("len", "min_len", "len_bytes", "min_bytes", "const", "contains")):
        return False
    if any(rules.value(name) for name in ("prefix", "suffix")):
        return False
    if any(rules.value(name) for name in _WELL_KNOWN if name not in _MAY_BE_EMPTY):
        return False
    if rules.value("well_known_regex") == _HEADER_NAME:
        return False
    wanted, refused = rules.value("in"), rules.value("not_in")
    if (wanted is not None and "" not in wanted) or (refused is not None and "" in refused):
        return False
    return all(matches(pattern, "") for pattern in _patterns(rules))


def _listed(rules: Rules) -> list[Any] | None:
    """The values that `const` or `in` leave."""
    constant, wanted = rules.value("const"), rules.value("in")
    return [constant] if constant is not None else wanted


def _lengths(rules: Rules) -> Schema:
    exact, fewest, most = rules.value("len"), rules.value("min_len"), rules.value("max_len")
    # A character has up to four bytes.
    exact_bytes, fewest_bytes = rules.value("len_bytes"), rules.value("min_bytes") or rules.value("len_bytes")
    most_bytes = rules.value("max_bytes") if exact_bytes is None else exact_bytes
    low = max(exact or fewest or 0, -(-(fewest_bytes or 0) // 4))
    highs = [high for high in (most if exact is None else exact, most_bytes) if high is not None]
    schema: Schema = {"minLength": low} if low else {}
    if highs:
        schema["maxLength"] = min(highs)
    if fewest_bytes:
        schema["x-min-bytes"] = fewest_bytes
    if most_bytes is not None:
        schema["x-max-bytes"] = most_bytes
    return schema


def _well_known(rules: Rules) -> list[Schema]:
    found = [schema for name, schema in _WELL_KNOWN.items() if rules.value(name)]
    header = rules.value("well_known_regex")
    if header:
        strict = rules.value("strict")
        found.append({"pattern": _HEADER_PATTERNS[header, strict is None or strict]})
    return found


def _patterns(rules: Rules) -> list[str]:
    """Every pattern that a rule asks for in so many words; those without a portable spelling are left out."""
    written = [rules.value("pattern"), *(rule.pattern for rule in rules.cel)]
    patterns = [portable_pattern(pattern) for pattern in written if pattern]
    prefix, suffix, contained = rules.value("prefix"), rules.value("suffix"), rules.value("contains")
    patterns += [f"^{_escaped(prefix)}"] if prefix else []
    patterns += [f"{_escaped(suffix)}$"] if suffix else []
    patterns += [_escaped(contained)] if contained else []
    refused = rules.value("not_contains")
    patterns += [f"^[^{_in_class(refused)}]*$"] if refused and len(refused) == 1 else []
    return [pattern for pattern in patterns if pattern is not None]


def _refusals(rules: Rules) -> list[Schema]:
    listed, contained = rules.value("not_in"), rules.value("not_contains")
    refusals: list[Schema] = [{"enum": listed}] if listed else []
    if contained and len(contained) > 1:
        refusals.append({"type": "string", "pattern": _escaped(contained)})
    return refusals


def _escaped(text: str) -> str:
    """The text as a pattern. `re.escape` escapes more than ECMA-262 allows."""
    return re.sub(r"[\\^$.*+?()\[\]{}|/]", lambda special: f"\\{special[0]}", text)


def _in_class(character: str) -> str:
    """One character inside of brackets."""
    if not character.isprintable():
        return f"\\u{ord(character):04x}"
    return f"\\{character}" if character in "\\]^-[" else character
