"""Every rule of buf.validate as JSON Schema: what the schema takes, the service takes."""

from __future__ import annotations

import math
from functools import cache

import pytest

from tests.unit.openapi.agreement import Judges
from tests.unit.openapi.contracts import image_of
from tests.unit.openapi.rule_cases import cases

# Where one judge knows what the other cannot: lengths in bytes, formats that JSON Schema reads differently.
KNOWN_DIFFERENCES: dict[str, set[object]] = {
    "len_bytes: 1": {"é"},
    "max_bytes: 2": {"ééé", "abé", "é"},
    "uri_ref: true": {
        "not a uri",
        "a\n",
        "\n",
        " ",
        "é",
        "ééé",
        "abé",
        "X Header",
        "a b@c.example",
        "a\u0000",
    },
}

CASES = cases()


@cache
def judges() -> Judges:
    """Both judges of all cases: one message `M<n>` and one method for each."""
    messages = "".join(
        f"message M{number} {{ {kind} v = 1 [{rule}]; }}\n" for number, (kind, rule, _) in enumerate(CASES)
    )
    methods = "".join(
        f"rpc Do{number}(M{number}) returns (google.protobuf.Empty) {{ option (google.api.http) = "
        f'{{post: "/m{number}" body: "*"}}; }}\n'
        for number in range(len(CASES))
    )
    enum = "enum Kind { NONE = 0; ONE = 1; TWO = 2; }\n"
    return Judges.of(image_of(f"{enum}{messages}service Rules {{ {methods} }}"))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{kind} {rule}" for kind, rule, _ in CASES])
def test_the_schema_takes_what_the_service_takes(number: int) -> None:
    """Whatever the value, a request that fits the schema is not refused, and one that does not is."""
    kind, rule, values = CASES[number]
    different = next((texts for name, texts in KNOWN_DIFFERENCES.items() if f"{{{name}}}" in rule), set())
    component = f"M{number}Input"
    for value in values:
        if isinstance(value, str) and value in different:
            continue
        if _is_narrower_on_purpose(kind, value):
            continue
        body = {"v": value}
        taken = judges().service_takes(f"M{number}", body)
        said = judges().schema_takes(component, body)
        assert said == taken, (kind, rule, value, judges().document["components"]["schemas"][component])


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{kind} {rule}" for kind, rule, _ in CASES])
def test_a_field_is_required_when_its_absence_is_refused(number: int) -> None:
    """`required` says exactly what happens to a request without the field."""
    assert judges().schema_takes(f"M{number}Input", {}) == judges().service_takes(f"M{number}", {})


def _is_narrower_on_purpose(kind: str, value: object) -> bool:
    """What is taken and not promised: digits of a number so large that a pattern would be unreadable."""
    if isinstance(value, str) and kind.rsplit(maxsplit=1)[-1] in {"double", "float"}:
        return math.isfinite(_number(value))
    return False


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
