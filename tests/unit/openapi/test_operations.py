"""Operations of a contract that is not ours: parameters, bodies, answers and refusals of each rule."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.unit.openapi.contracts import document_of

PROTO = """
enum Colour { COLOUR_UNSPECIFIED = 0; RED = 1; }
message Inner { string text = 1; Inner deeper = 2; repeated string tags = 3; }
// What is asked.
message Asked {
  string thing_id = 1;
  int32 count = 2 [(buf.validate.field).int32 = {gte: 1, lte: 10}];
  repeated string tags = 3 [(buf.validate.field).repeated.max_items = 5];
  Inner inner = 4;
  Colour colour = 5;
  google.protobuf.Timestamp since = 6 [(buf.validate.field).timestamp.lt_now = true];
  google.protobuf.Int32Value boxed = 7;
  map<string, string> labels = 8;
  repeated Inner inners = 9;
  google.protobuf.Struct struct = 10;
  int64 large = 11;
  google.protobuf.FieldMask fields = 12;
  string secret = 13 [(google.api.field_behavior) = INPUT_ONLY];
  string server_says = 14 [(google.api.field_behavior) = OUTPUT_ONLY];
  string old = 15 [deprecated = true];
}
message Change {
  Inner inner = 1;
  google.protobuf.FieldMask update_mask = 2;
  string thing_id = 3;
  bool dry = 4;
}
message Raw { string name = 1; google.api.HttpBody file = 2; }
message Listed { repeated Inner inners = 1; optional Inner one = 2; string text = 3; }
// Things.
service Things {
  // Reads a thing. NOT_FOUND (THING_NOT_FOUND, THING_LOST) when there is none.
  rpc Read(Asked) returns (Asked) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (millrace.auth.v1.access) = {public: true};
    option (google.api.http) = {get: "/v1/things/{thing_id}"};
  }
  rpc Create(Asked) returns (Asked) {
    option (millrace.auth.v1.access) = {roles: [ADMIN, SERVICE]};
    option (millrace.rpc.v1.deadline) = {seconds: 2 nanos: 500000000};
    option (google.api.http) = {post: "/v1/things/{thing_id}" body: "*"};
  }
  rpc Update(Change) returns (Inner) {
    option (google.api.http) = {patch: "/v1/things/{thing_id}" body: "inner"};
  }
  rpc Upload(Raw) returns (google.api.HttpBody) {
    option (google.api.http) = {put: "/v1/files/{name}" body: "file"};
  }
  rpc Watch(Asked) returns (stream Inner) {
    option (google.api.http) = {get: "/v1/watch"};
  }
  rpc Copy(Raw) returns (stream google.api.HttpBody) {
    option (google.api.http) = {get: "/v1/copies/{name}"};
  }
  rpc List(Listed) returns (Listed) {
    option (google.api.http) = {
      post: "/v1/lists" body: "inners" response_body: "inners"
      additional_bindings {post: "/v1/texts" body: "text" response_body: "one"}
    };
  }
  rpc Forget(Inner) returns (google.protobuf.Empty) {
    option deprecated = true;
    option (google.api.http) = {delete: "/v1/things"};
  }
  rpc Unmapped(Asked) returns (Asked);
}
"""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return document_of(PROTO)


def operation(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


def query(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}


def test_a_public_validator_finds_no_fault(document: dict[str, Any]) -> None:
    """Any contract gives a valid document."""
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_query_parameters_are_those_that_the_translator_takes(document: dict[str, Any]) -> None:
    """What one text can spell, nested names too; no maps, no lists of messages, nothing from the path."""
    assert list(query(operation(document, "get", "/v1/things/{thingId}"))) == [
        *(
            "count",
            "tags",
            "inner.text",
            "inner.tags",
            "colour",
            "since",
            "boxed",
            "large",
            "fields",
            "secret",
        ),
        "old",
    ]


def test_query_parameters_have_schemas_of_text(document: dict[str, Any]) -> None:
    """Numbers are plain, lists repeat the name, and rules bind as they do in bodies."""
    found = query(operation(document, "get", "/v1/things/{thingId}"))
    assert found["count"]["schema"] == {"type": "integer", "format": "int32", "minimum": 1, "maximum": 10}
    assert found["count"]["required"] is True
    assert found["tags"]["style"] == "form"
    assert found["tags"]["explode"] is True
    assert found["tags"]["schema"]["maxItems"] == 5
    assert found["inner.tags"]["schema"]["maxItems"] == 256
    assert found["large"]["schema"]["type"] == ["integer", "string"]
    assert found["colour"]["schema"]["anyOf"][0] == {"$ref": "#/components/schemas/Colour"}
    assert "Must lie in the past." in found["since"]["description"]
    assert found["old"]["deprecated"] is True


def test_a_whole_body_leaves_no_query(document: dict[str, Any]) -> None:
    """With `body: "*"` everything but the path is in the body, which leaves the path's field out."""
    create = operation(document, "post", "/v1/things/{thingId}")
    body = document["components"]["schemas"]["CreateBody"]
    assert [one["name"] for one in create["parameters"]] == ["thingId"]
    assert create["requestBody"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/CreateBody"}}
    }
    assert "thingId" not in body["properties"]
    assert body["required"] == ["count"]
    assert body["properties"]["secret"]["writeOnly"] is True
    assert "serverSays" not in body["properties"]


def test_a_partial_update_demands_nothing(document: dict[str, Any]) -> None:
    """The body names what changes, or a mask does, whose words list what it may name."""
    update = operation(document, "patch", "/v1/things/{thingId}")
    assert set(query(update)) == {"updateMask", "dry"}
    assert "required" not in update["requestBody"]
    assert "required" not in document["components"]["schemas"]["UpdateBody"]
    assert query(update)["updateMask"]["schema"]["pattern"] == (
        "^(?:(?:text|deeper|tags)(?:,(?:text|deeper|tags))*)?$"
    )


def test_answers_leave_out_what_is_only_sent(document: dict[str, Any]) -> None:
    """An input-only field is no part of an answer's schema; the one that only the service sets is marked."""
    answered = document["components"]["schemas"]["Asked"]
    assert "secret" not in answered["properties"]
    assert answered["properties"]["serverSays"]["readOnly"] is True


def test_raw_bodies_are_of_any_type(document: dict[str, Any]) -> None:
    """`google.api.HttpBody` in and out is bytes."""
    upload = operation(document, "put", "/v1/files/{name}")
    assert upload["requestBody"]["content"] == {"*/*": {}}
    assert upload["responses"]["200"]["content"] == {"*/*": {}}
    assert operation(document, "get", "/v1/copies/{name}")["responses"]["200"]["content"] == {"*/*": {}}


def test_streams_are_lines_or_events(document: dict[str, Any]) -> None:
    """Both framings are offered, each marked, with the schema of one message and of what breaks it off."""
    content = operation(document, "get", "/v1/watch")["responses"]["200"]["content"]
    inner = {"$ref": "#/components/schemas/Inner"}
    message, broken = content["application/x-ndjson"]["schema"]["anyOf"]
    assert message == inner
    assert broken["properties"] == {"error": {"$ref": "#/components/schemas/Problem"}}
    assert all(framing["x-stream"] for framing in content.values())
    assert content["text/event-stream"]["x-event-schema"] == inner


def test_bodies_that_are_one_field(document: dict[str, Any]) -> None:
    """A list or a text is the whole body; an answer that may be unset may be null."""
    lists, texts = operation(document, "post", "/v1/lists"), operation(document, "post", "/v1/texts")
    items = lists["requestBody"]["content"]["application/json"]["schema"]
    assert items == {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/InnerInput"}}
    assert lists["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
    assert texts["requestBody"]["content"]["application/json"]["schema"] == {"type": ["string", "null"]}
    assert texts["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"][1] == {"type": "null"}


def test_refusals_are_those_that_a_caller_may_meet(document: dict[str, Any]) -> None:
    """401 and 403 with a credential, 4xx of bodies where there is one, 404 where a thing is named."""
    everywhere = {"200", "400", "429", "500", "503", "504", "default"}
    read = operation(document, "get", "/v1/things/{thingId}")
    create = operation(document, "post", "/v1/things/{thingId}")
    watch = operation(document, "get", "/v1/watch")
    assert set(read["responses"]) == everywhere | {"304", "404"}
    assert set(create["responses"]) == everywhere | {"401", "403", "404", "408", "413", "415"}
    assert set(watch["responses"]) == everywhere | {"401", "403"}


def test_a_comment_names_reasons(document: dict[str, Any]) -> None:
    """`NOT_FOUND (REASON)` in a method's words is listed under 404."""
    read = operation(document, "get", "/v1/things/{thingId}")
    assert read["x-reasons"] == {"404": ["THING_NOT_FOUND", "THING_LOST"]}
    assert read["responses"]["404"]["description"].endswith("Reasons: `THING_NOT_FOUND`, `THING_LOST`.")


def test_access_deadline_and_idempotency_are_marked(document: dict[str, Any]) -> None:
    """Programs need not read the words."""
    read = operation(document, "get", "/v1/things/{thingId}")
    create = operation(document, "post", "/v1/things/{thingId}")
    assert (read["security"], read["x-idempotent"], read["x-deadline-seconds"]) == ([], True, 10)
    assert (create["security"], create["x-roles"]) == ([{"bearer": []}], ["ADMIN", "SERVICE"])
    assert (create["x-idempotent"], create["x-deadline-seconds"]) == (False, 2.5)
    assert operation(document, "delete", "/v1/things")["deprecated"] is True


def test_a_method_without_a_rule_is_not_described(document: dict[str, Any]) -> None:
    """It has no path."""
    assert "Things_Unmapped" not in str(document)
