"""Numbers and booleans: their JSON forms, and the rules that bound them.

A number may be sent as digits in a string too, so its bounds are said twice: for numbers and as a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from edge.openapi.ranges import integer_pattern
from edge.openapi.rules import Rules
from edge.openapi.shapes import Form, Schema


@dataclass(frozen=True, slots=True)
class _Kind:
    """An integer type. Digits in a string are promised from `text_low` to `text_high` where no rule bounds
    them: for what fits a JSON number too, the true ends would only make the pattern hard to read.
    """

    format: str
    low: int
    high: int
    text_low: int
    text_high: int

    @property
    def is_wide(self) -> bool:
        """Whether JavaScript's numbers cannot hold it, so that answers have it as a string."""
        return self.format.endswith("64")


_INT32 = _Kind("int32", -(2**31), 2**31 - 1, -(10**9 - 1), 10**9 - 1)
_INT64 = _Kind("int64", -(2**63), 2**63 - 1, -(2**63), 2**63 - 1)
_UINT32 = _Kind("uint32", 0, 2**32 - 1, 0, 10**9 - 1)
_UINT64 = _Kind("uint64", 0, 2**64 - 1, 0, 2**64 - 1)
_KINDS = {
    FieldDescriptor.CPPTYPE_INT32: _INT32,
    FieldDescriptor.CPPTYPE_INT64: _INT64,
    FieldDescriptor.CPPTYPE_UINT32: _UINT32,
    FieldDescriptor.CPPTYPE_UINT64: _UINT64,
}
_NOT_FINITE = ["NaN", "Infinity", "-Infinity"]
_LARGEST_FLOAT32 = 3.4028234663852886e38
_DECIMAL = "[0-9]{1,38}(?:\\.[0-9]{1,38})?"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What `gt`, `gte`, `lt` and `lte` demand; crossed ones demand a value outside of them."""

    low: Any = None
    low_is_excluded: bool = False
    high: Any = None
    high_is_excluded: bool = False

    @property
    def are_crossed(self) -> bool:
        return self.low is not None and self.high is not None and bool(self.low > self.high)

    def contain(self, value: Any) -> bool:
        above = self.low is None or (value > self.low if self.low_is_excluded else value >= self.low)
        below = self.high is None or (value < self.high if self.high_is_excluded else value <= self.high)
        return (above or below) if self.are_crossed else (above and below)


def bounds_of(rules: Rules) -> Bounds:
    greater, less = rules.value("gt"), rules.value("lt")
    low = greater if greater is not None else rules.value("gte")
    high = less if less is not None else rules.value("lte")
    return Bounds(low, greater is not None, high, less is not None)


def number_passes(rules: Rules, value: float) -> bool:
    """Whether the number breaks no rule of its type."""
    constant, wanted, refused = rules.value("const"), rules.value("in"), rules.value("not_in")
    if constant is not None and value != constant:
        return False
    if (wanted is not None and value not in wanted) or (refused is not None and value in refused):
        return False
    return bounds_of(rules).contain(value)


def boolean_schema(rules: Rules) -> Schema:
    constant = rules.value("const")
    return {"type": "boolean"} if constant is None else {"type": "boolean", "enum": [constant]}


def integer_schema(field: FieldDescriptor, rules: Rules, form: Form) -> Schema:
    kind = _KINDS[field.cpp_type]
    return _answered_integer(kind) if form is Form.OUTPUT else _accepted_integer(kind, rules, form)


def integer_key_schema(key: FieldDescriptor, rules: Rules, form: Form) -> Schema:
    """The names of a JSON object's members that are a map's integer keys."""
    kind = _KINDS[key.cpp_type]
    if form is Form.OUTPUT:
        return {"pattern": _digits(kind)}
    always_text = replace(kind, text_low=kind.low, text_high=kind.high)
    said = _accepted_integer(always_text, rules, Form.INPUT)
    return {name: said[name] for name in ("pattern", "enum", "anyOf", "not") if name in said}


def _accepted_integer(kind: _Kind, rules: Rules, form: Form) -> Schema:
    listed = _listed(rules)
    if listed is not None:
        return _one_of(listed, form, kind)
    bounds = bounds_of(rules)
    low = kind.low if bounds.low is None else int(bounds.low) + bounds.low_is_excluded
    high = kind.high if bounds.high is None else int(bounds.high) - bounds.high_is_excluded
    if bounds.are_crossed:
        schema = {"anyOf": [_range(kind, kind.low, high, form), _range(kind, low, kind.high, form)]}
    else:
        schema = _range(kind, low, high, form)
    refused = rules.value("not_in")
    return schema if refused is None else {**schema, "not": {"enum": _spellings(refused, form)}}


def float_schema(field: FieldDescriptor, rules: Rules, form: Form) -> Schema:
    is_single = field.type == FieldDescriptor.TYPE_FLOAT
    number: Schema = {"type": "number", "format": "float" if is_single else "double"}
    is_finite = bool(rules.value("finite"))
    if form is Form.OUTPUT:
        return number if is_finite else {"anyOf": [number, {"enum": _NOT_FINITE}]}
    listed = _listed(rules)
    if listed is not None:
        return {"type": "number", "enum": listed}
    bounds = bounds_of(rules)
    if is_single:
        number |= {"minimum": -_LARGEST_FLOAT32, "maximum": _LARGEST_FLOAT32}
    refused = rules.value("not_in")
    if refused is not None:
        number["not"] = {"enum": refused}
    if bounds.are_crossed:
        below = _float_limits(Bounds(high=bounds.high, high_is_excluded=bounds.high_is_excluded))
        above = _float_limits(Bounds(low=bounds.low, low_is_excluded=bounds.low_is_excluded))
        number["anyOf"] = [below, above]
    else:
        number |= _float_limits(bounds)
    text = _float_text(bounds, is_finite=is_finite, takes_digits=refused is None)
    return {**number, "type": ["number", "string"], "pattern": text} if text else number


def _listed(rules: Rules) -> list[Any] | None:
    """The values that `const` or `in` leave."""
    constant, wanted = rules.value("const"), rules.value("in")
    if constant is not None:
        return [constant]
    return None if wanted is None else [value for value in wanted if number_passes(rules, value)]


def _answered_integer(kind: _Kind) -> Schema:
    if kind.is_wide:
        return {"type": "string", "format": kind.format, "pattern": _digits(kind)}
    return {"type": "integer", "format": kind.format}


def _digits(kind: _Kind) -> str:
    return "^[0-9]+$" if kind.low == 0 else "^-?[0-9]+$"


def _range(kind: _Kind, low: int, high: int, form: Form) -> Schema:
    schema: Schema = {"type": "integer", "format": kind.format, "minimum": low, "maximum": high}
    if form is Form.TEXT and not kind.is_wide:
        return schema
    text_low = kind.text_low if low == kind.low else low
    text_high = kind.text_high if high == kind.high else high
    if text_low > text_high:
        return schema
    return {**schema, "type": ["integer", "string"], "pattern": integer_pattern(text_low, text_high)}


def _one_of(values: list[Any], form: Form, kind: _Kind) -> Schema:
    if form is Form.TEXT and not kind.is_wide:
        return {"type": "integer", "format": kind.format, "enum": values}
    return {"type": ["integer", "string"], "format": kind.format, "enum": _spellings(values, form)}


def _spellings(values: list[Any], form: Form) -> list[Any]:
    return [*values, *(str(value) for value in values)]


def _float_limits(bounds: Bounds) -> Schema:
    limits: Schema = {}
    if bounds.low is not None:
        limits["exclusiveMinimum" if bounds.low_is_excluded else "minimum"] = bounds.low
    if bounds.high is not None:
        limits["exclusiveMaximum" if bounds.high_is_excluded else "maximum"] = bounds.high
    return limits


def _float_text(bounds: Bounds, *, is_finite: bool, takes_digits: bool) -> str:
    """A pattern of the texts that surely pass: only the sign of a number can be bounded so."""
    are_free = bounds.low is None and bounds.high is None
    from_zero = bounds.high is None and bounds.low == 0 and not bounds.low_is_excluded
    spellings = [f"-?{_DECIMAL}"] if are_free and takes_digits else []
    spellings += [_DECIMAL] if from_zero and takes_digits else []
    if not is_finite:
        spellings += ["NaN"] if are_free else []
        spellings += ["Infinity"] if bounds.high is None or bounds.are_crossed else []
        spellings += ["-Infinity"] if bounds.low is None or bounds.are_crossed else []
    return f"^(?:{'|'.join(spellings)})$" if spellings else ""
