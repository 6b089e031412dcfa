"""Contracts that know nothing of Millrace: no access, no rules, no comments, names that clash."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.openapi import make_document
from edge.openapi.contract import Contract
from tests.unit.openapi.contracts import image_of

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
