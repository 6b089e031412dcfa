"""Path templates in the document: what each becomes, and what OpenAPI cannot say about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.openapi.contracts import document_of

MESSAGES = """
message Inner { string name = 1; int64 number = 2; }
message Asked {
  // The thing meant.
  string thing_id = 1;
  string name = 2 [(buf.validate.field).string.uuid = true];
  Inner inner = 3;
}
"""


def described(*rules: str) -> dict[str, Any]:
    """Path items of one service with a method for each rule."""
    methods = "".join(
        f"rpc Do{number}(Asked) returns (Asked) {{ option (google.api.http) = {{{rule}}}; }}\n"
        for number, rule in enumerate(rules)
    )
    paths: dict[str, Any] = document_of(f"{MESSAGES}service Things {{ {methods} }}")["paths"]
    return paths


@pytest.mark.parametrize(
    ("template", "path", "names"),
    [
        ("/v1/things", "/v1/things", []),
        ("/v1/things/{thing_id}", "/v1/things/{thingId}", ["thingId"]),
        ("/v1/things/{thing_id}:cancel", "/v1/things/{thingId}:cancel", ["thingId"]),
        ("/v1/things:sweep", "/v1/things:sweep", []),
        ("/v1/{inner.name}/{inner.number}", "/v1/{name}/{number}", ["name", "number"]),
        ("/v1/{name}/{inner.name}", "/v1/{name}/{name2}", ["name", "name2"]),
        ("/v1/{name=shelves/*}", "/v1/shelves/{name}", ["name"]),
        ("/v1/{name=shelves/*/books/*}", "/v1/shelves/{name}/books/{name2}", ["name", "name2"]),
        ("/v1/files/{name=**}", "/v1/files/{name}", ["name"]),
        ("/v1/{name=files/**}", "/v1/files/{name}", ["name"]),
        ("/v1/*/{thing_id}", "/v1/{segment}/{thingId}", ["segment", "thingId"]),
        ("/v1/a%20b/%7Bx%7D", "/v1/a%20b/%7Bx%7D", []),
    ],
)
def test_a_template_becomes_a_path(template: str, path: str, names: list[str]) -> None:
    """Every wildcard is a parameter, named after the field that it binds."""
    paths = described(f'get: "{template}"')
    assert list(paths) == [path]
    in_path = [one["name"] for one in paths[path]["get"].get("parameters", []) if one["in"] == "path"]
    assert in_path == names


def test_paths_of_one_shape_share_their_names() -> None:
    """OpenAPI takes `/links/{a}` and `/links/{b}` for the same path."""
    paths = described('get: "/v1/{name}"', 'delete: "/v1/{thing_id}"')
    assert list(paths) == ["/v1/{name}"]
    [parameter] = [one for one in paths["/v1/{name}"]["delete"]["parameters"] if one["in"] == "path"]
    assert parameter["name"] == "name"
    assert parameter["description"] == "The thing meant."


def test_a_capture_of_many_segments_is_marked() -> None:
    """What OpenAPI cannot say stands beside the parameter."""
    [item] = described('get: "/v1/files/{name=**}"').values()
    parameter = item["get"]["parameters"][0]
    assert parameter["x-multi-segment"] is True
    assert parameter["x-captured-by"] == "**"
    assert "%2F" in parameter["description"]


def test_a_path_parameter_keeps_its_rules_and_refuses_dots() -> None:
    """A UUID is one; free text is one segment that browsers do not fold away."""
    [item] = described('get: "/v1/{name}/{thing_id}"').values()
    uuid, free = (one["schema"] for one in item["get"]["parameters"][:2])
    assert uuid == {"type": "string", "format": "uuid"}
    assert free["minLength"] == 1
    assert free["pattern"].startswith("^(?:\\.?[^.")


def test_what_openapi_has_no_method_for_is_kept_apart() -> None:
    """A rule for SEARCH, or a second rule of the same shape, is described and marked."""
    paths = described(
        'custom: {kind: "SEARCH" path: "/v1/things"}', 'get: "/v1/{name}"', 'get: "/v1/{name=**}"'
    )
    [search] = paths["/v1/things"]["x-other-operations"]
    assert (search["method"], search["operationId"]) == ("SEARCH", "Things_Do0")
    assert paths["/v1/{name}"]["get"]["operationId"] == "Things_Do1"
    assert [one["operationId"] for one in paths["/v1/{name}"]["x-other-operations"]] == ["Things_Do2"]


def test_every_binding_is_an_operation_of_its_own() -> None:
    """Additional bindings get ids of their own, in their order."""
    paths = described(
        'get: "/v1/a/{name}" additional_bindings {get: "/v1/b"} additional_bindings {post: "/v1/c"}'
    )
    ids = [operation["operationId"] for item in paths.values() for operation in item.values()]
    assert ids == ["Things_Do0", "Things_Do0_2", "Things_Do0_3"]
