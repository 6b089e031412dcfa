"""Contracts that know nothing of Millrace: no access, no rules, no comments, names that clash."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.openapi import make_document
from edge.openapi.contract import Contract
from tests.unit.openapi.agreement import Judges
from tests.unit.openapi.contracts import IMPORTS, document_of, image_of

PLAIN_IMPORTS = """
syntax = "proto3";
package test.v1;
import "google/api/annotations.proto";
"""
PLAIN = """
message Problem { string text = 1; }
message Outer {
  message Note { string text = 1; }
  Note note = 1;
}
message OuterNote { string text = 1; Problem problem = 2; Outer outer = 3; Outer.Note input = 4; }
message OuterInput { string text = 1; OuterInput again = 2; }
service Notes {
  rpc Keep(OuterNote) returns (OuterNote) {
    option (google.api.http) = {
      post: "/v1/notes"
      body: "*"
    };
  }
  rpc Send(OuterInput) returns (Outer) {
    option (google.api.http) = {
      post: "/v1/outers"
      body: "*"
    };
  }
}
service Silent { rpc Nothing(Outer) returns (Outer); }
"""

# One member of a oneof in the path; the others cannot be given then.
PICKED = """
message Pick {
  oneof choice {
    option (buf.validate.oneof).required = true;
    string name = 1;
    int32 number = 2;
    Core inner = 3;
  }
  string note = 4;
}
message Core {
  oneof choice {
    string name = 1;
    int32 number = 2;
  }
  string note = 3;
}
service Picks {
  rpc Take(Pick) returns (Pick) {
    option (google.api.http) = {
      put: "/v1/picks/{name}"
      body: "*"
      additional_bindings {get: "/v1/picks/{name}"}
      additional_bindings {delete: "/v1/inner/{inner.name}"}
    };
  }
}
"""


@pytest.fixture
def image() -> FileDescriptorSet:
    return image_of(PLAIN, with_imports=PLAIN_IMPORTS)


def test_a_plain_contract_has_a_valid_document(image: FileDescriptorSet) -> None:
    """Nothing of ours is needed, and nothing of ours is claimed."""
    document = make_document(image, title="Plain", version="1")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    keep = document["paths"]["/v1/notes"]["post"]
    assert "securitySchemes" not in document["components"]
    assert not {"security", "x-roles", "x-deadline-seconds", "description"} & set(keep)
    assert not {"401", "403"} & set(keep["responses"])


def test_names_that_clash_are_told_apart(image: FileDescriptorSet) -> None:
    """Two messages of one short name get their whole names; ours stay free of theirs."""
    schemas = make_document(image, title="Plain", version="1")["components"]["schemas"]
    assert {"TestV1OuterNote", "TestV1Problem", "Problem", "OuterInput2"} < set(schemas)
    assert "status" in schemas["Problem"]["properties"]
    assert "text" in schemas["TestV1Problem"]["properties"]


def test_only_services_with_rules_are_described_unless_named(image: FileDescriptorSet) -> None:
    """A service can also be asked for by name, and an unknown name is an error."""
    tags = make_document(image, title="Plain", version="1")["tags"]
    assert tags == [{"name": "Notes"}]
    assert make_document(image, ["test.v1.Silent"], title="Plain", version="1")["paths"] == {}
    with pytest.raises(KeyError):
        make_document(image, ["test.v1.Unknown"], title="Plain", version="1")


def test_files_may_come_in_any_order(image: FileDescriptorSet) -> None:
    """An image whose files stand before their imports is read all the same."""
    backwards = FileDescriptorSet(file=reversed(image.file))
    assert make_document(backwards, title="Plain", version="1") == make_document(
        image, title="Plain", version="1"
    )


def test_unknown_options_are_no_options(image: FileDescriptorSet) -> None:
    """Asking for an option that the image does not declare gives nothing."""
    contract = Contract(image)
    [service] = contract.services()
    assert not contract.declares("millrace.auth.v1.access")
    assert contract.option(service.methods[0], "millrace.auth.v1.access") is None


def test_an_answer_that_may_be_null_says_so_once() -> None:
    """A field that is null anyway, and may be unset, is still valid OpenAPI."""
    document = document_of(
        """
        message Nothing { optional google.protobuf.NullValue nothing = 1; }
        service Nothings {
          rpc Get(Nothing) returns (Nothing) {
            option (google.api.http) = {get: "/v1/nothing" response_body: "nothing"};
          }
        }
        """
    )
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    content = document["paths"]["/v1/nothing"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"] == {"type": "null"}


def test_operation_ids_stay_apart() -> None:
    """A second rule's id is no method's, whichever comes first."""
    document = document_of(
        """
        message Asked { string text = 1; }
        service Asks {
          rpc Get(Asked) returns (Asked) {
            option (google.api.http) = {get: "/v1/a" additional_bindings {get: "/v1/b"}};
          }
          rpc Get_2(Asked) returns (Asked) { option (google.api.http) = {get: "/v1/c"}; }
        }
        """
    )
    ids = [item["get"]["operationId"] for item in document["paths"].values()]
    assert ids == ["Asks_Get", "Asks_Get_3", "Asks_Get_2"]
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_what_the_path_rules_out_is_not_asked_for() -> None:
    """With one field of a oneof in the path the others are no input, and the demand for one is met."""
    document = document_of(PICKED)
    body = document["components"]["schemas"]["TakeBody"]
    assert set(body["properties"]) == {"note"}
    assert not {"anyOf", "allOf", "dependentSchemas"} & body.keys()
    taken = document["paths"]["/v1/picks/{name}"]["get"]["parameters"]
    assert [one["name"] for one in taken] == ["name", "note"]
    inner = document["paths"]["/v1/inner/{name}"]["delete"]["parameters"]
    assert [one["name"] for one in inner] == ["name", "inner.note", "note"]


DEMANDED = """
message Choice {
  oneof choice {
    option (buf.validate.oneof).required = true;
    string name = 1;
    google.protobuf.Value any = 2;
    Inner inner = 3;
  }
}
message Inner {}
service Choices {
  rpc Choose(Choice) returns (google.protobuf.Empty) {
    option (google.api.http) = {post: "/v1/choices" body: "*"};
  }
}
"""


def test_a_null_is_no_choice() -> None:
    """Where a oneof demands a field, null is as good as none, but for the type that has a null."""
    judges = Judges.of(image_of(DEMANDED))
    (component,) = [name for name in judges.document["components"]["schemas"] if name.startswith("Choice")]
    bodies: list[dict[str, object]] = [
        {}, {"name": None}, {"inner": None}, {"any": None}, {"name": "x"}, {"inner": {}},
    ]  # fmt: skip
    for body in bodies:
        assert judges.schema_takes(component, body) == judges.service_takes("Choice", body), body
    assert judges.document["paths"]["/v1/choices"]["post"]["requestBody"]["required"]
    assert judges.schema_takes(component, {"any": None})
    assert not judges.schema_takes(component, {"name": None})


@pytest.mark.parametrize(
    ("syntax", "field"),
    [
        ("proto2", "required string text = 1;"),
        ("edition", "string text = 1 [features.field_presence = LEGACY_REQUIRED];"),
    ],
)
def test_fields_that_their_syntax_requires_are_required(syntax: str, field: str) -> None:
    """The translator refuses a message without them, whatever rules there are."""
    head = 'edition = "2023";' if syntax == "edition" else 'syntax = "proto2";'
    source = f"""
    message Note {{ {field} }}
    service Notes {{
      rpc Keep(Note) returns (Note) {{ option (google.api.http) = {{post: "/v1/notes" body: "*"}}; }}
    }}
    """
    image = image_of(source, with_imports=IMPORTS.replace('syntax = "proto3";', head))
    document = make_document(image, title="Old", version="1")
    schemas = document["components"]["schemas"]
    assert schemas["NoteInput"]["required"] == schemas["Note"]["required"] == ["text"]
    assert schemas["NoteInput"]["properties"]["text"] == {"type": "string"}
    assert document["paths"]["/v1/notes"]["post"]["requestBody"]["required"] is True


def test_well_known_types_do_not_explain_themselves() -> None:
    """What they say is for those who write contracts, not for those who read an answer."""
    document = document_of(
        """
        service Clock {
          rpc Now(google.protobuf.Empty) returns (google.protobuf.Timestamp) {
            option (google.api.http) = {get: "/v1/now"};
          }
          rpc Face(google.protobuf.Empty) returns (google.api.HttpBody) {
            option (google.api.http) = {get: "/v1/face"};
          }
        }
        """
    )
    answers = [document["paths"][path]["get"]["responses"]["200"] for path in ("/v1/now", "/v1/face")]
    assert [answer["description"] for answer in answers] == ["Done.", "Done."]
    assert all("ETag" in answer["headers"] for answer in answers)


@pytest.mark.parametrize("kind", ["bytes", "google.protobuf.FieldMask"])
def test_a_segment_is_never_empty(kind: str) -> None:
    """Not even for a type of which the empty text is a value."""
    document = document_of(
        f"""
        message Asked {{ {kind} key = 1; }}
        service Asks {{
          rpc Get(Asked) returns (Asked) {{ option (google.api.http) = {{get: "/v1/{{key}}"}}; }}
        }}
        """
    )
    [key] = document["paths"]["/v1/{key}"]["get"]["parameters"]
    assert key["schema"]["minLength"] == 1
