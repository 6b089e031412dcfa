"""Whatever comes in, the gateway answers: never a 5xx, never an exception, always a problem document."""

import json
from typing import Any

from google.protobuf.descriptor import Descriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.rest.probe import Probe, probe_file

many = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))

_raw = st.text(st.sampled_from("abv1things/.:*{}%2eFf0+;=,~-_&?"), max_size=20)
_methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "SEARCH", "PROPFIND"])
_names = st.deferred(
    lambda: st.sampled_from(sorted(_field_names(probe_file().message_types_by_name["Everything"])))
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


def _field_names(descriptor: Descriptor) -> set[str]:
    return {field.json_name for field in descriptor.fields} | {"@type", "someText", "deeper", "tags", "value"}


@many
@given(_methods, st.sampled_from(["/", "/v1/things/", "/v1/files/", "/v1/nested/"]), _raw)
async def test_any_path_and_query_is_answered(probe: Probe, method: str, prefix: str, rest: str) -> None:
    answer = await probe.ask(method, prefix + rest)

    assert answer.status < 500
    if answer.status >= 400 and method != "HEAD":
        assert answer.json["status"] == answer.status


@many
@given(st.dictionaries(_names, _values, max_size=5))
async def test_any_json_object_is_answered(probe: Probe, body: dict[str, Any]) -> None:
    answer = await probe.ask(
        "POST", "/v1/echo", data=json.dumps(body), headers={"Content-Type": "application/json"}
    )

    assert answer.status in {200, 400}, answer.body
    if answer.status == 200:
        again = await probe.ask(
            "POST", "/v1/echo", data=answer.body, headers={"Content-Type": "application/json"}
        )
        assert (again.status, again.json) == (200, answer.json) or b"NaN" in answer.body


@many
@given(st.binary(max_size=60))
async def test_any_bytes_as_json_are_answered(probe: Probe, body: bytes) -> None:
    answer = await probe.ask("POST", "/v1/echo", data=body, headers={"Content-Type": "application/json"})

    assert answer.status == (400 if body else 200)
