"""Contracts in other dialects and of other compilers: every one is served as its own files say."""

from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from edge.gateway.descriptor_sets import read_contract
from tests.contract.gateway_tool.contracts import compiled_text, loaded, saved
from tests.contract.gateway_tool.tool_process import running_tool
from tests.contract.gateway_tool.upstream_server import UpstreamServer

PROTO2 = """
syntax = "proto2";
package old.v1;
import "google/api/annotations.proto";
message Order {
  enum Size { SMALL = 1; LARGE = 2; }
  required string id = 1;
  optional int32 count = 2 [default = 7];
  optional Size size = 3;
  repeated group Line = 4 { optional string sku = 1; }
  extensions 100 to 199;
}
extend Order { optional string note = 100; }
service Orders {
  rpc Echo(Order) returns (Order) { option (google.api.http) = {post: "/orders/{id}" body: "*"}; }
  rpc Read(Order) returns (Order) { option (google.api.http) = {get: "/orders"}; }
}
"""

EDITION_2023 = """
edition = "2023";
package new.v1;
import "google/api/annotations.proto";
message Order {
  string id = 1;
  int32 count = 2 [features.field_presence = IMPLICIT];
  Line line = 3 [features.message_encoding = DELIMITED];
  repeated int32 sizes = 4 [features.repeated_field_encoding = EXPANDED];
  message Line { string sku = 1; }
}
service Orders {
  rpc Echo(Order) returns (Order) { option (google.api.http) = {post: "/orders/{id}" body: "*"}; }
}
"""


async def _echo(request: Any, context: Any) -> Any:
    return request


async def test_proto2_is_served(tmp_path: Path) -> None:
    """Required fields, defaults, groups and closed enums."""
    image = compiled_text(PROTO2, tmp_path)
    answers = {"old.v1.Orders/Echo": _echo, "old.v1.Orders/Read": _echo}
    async with (
        UpstreamServer(image, answers) as server,
        running_tool(image, f"127.0.0.1:{server.port}") as tool,
    ):
        whole = await tool.post("/orders/o1", {"size": "LARGE", "line": [{"sku": "a"}, {"sku": "b"}]})
        incomplete = await tool.get("/orders?count=3")
        unknown_number = await tool.post("/orders/o1", {"size": 9})
    assert whole.json == {"id": "o1", "size": "LARGE", "line": [{"sku": "a"}, {"sku": "b"}]}
    assert (incomplete.status, incomplete.json["code"]) == (400, "INVALID_ARGUMENT")
    assert unknown_number.status == 400


async def test_edition_2023_is_served(tmp_path: Path) -> None:
    """Presence and wire forms that fields choose for themselves."""
    image = compiled_text(EDITION_2023, tmp_path)
    async with (
        UpstreamServer(image, {"new.v1.Orders/Echo": _echo}) as server,
        running_tool(image, f"127.0.0.1:{server.port}") as tool,
    ):
        reply = await tool.post("/orders/o1", {"line": {"sku": "a"}, "sizes": [1, 2]})
    assert reply.json == {"id": "o1", "count": 0, "line": {"sku": "a"}, "sizes": [1, 2]}


def test_rules_are_found_without_the_file_that_declares_them(shelf_image: Path, tmp_path: Path) -> None:
    """A compiler may leave out what is only needed for options: the rule is then bytes that nobody named."""
    image = FileDescriptorSet()
    for file in loaded(shelf_image).file:
        if file.name not in {"google/api/annotations.proto", "google/api/http.proto"}:
            kept = image.file.add()
            kept.CopyFrom(file)
            kept.dependency[:] = [name for name in file.dependency if name != "google/api/annotations.proto"]
    with_it, without_it = read_contract([shelf_image]), read_contract([saved(image, tmp_path / "bare.binpb")])
    assert len(without_it.routes.rules()) == len(with_it.routes.rules()) == 11


def test_a_contract_may_bring_another_copy_of_what_this_process_has(tmp_path: Path) -> None:
    """Its messages live in a pool of their own: names may mean something else there."""
    source = """
    syntax = "proto3";
    package millrace.affiliate.v1;
    import "google/api/annotations.proto";
    message Link { int32 not_ours = 1; }
    service AffiliateService {
      rpc GetLink(Link) returns (Link) { option (google.api.http) = {get: "/theirs"}; }
    }
    """
    contract = read_contract([compiled_text(source, tmp_path)])
    assert [field.name for field in contract.services[0].methods[0].input_type.fields] == ["not_ours"]


def test_the_files_of_a_set_may_come_in_any_order(shelf_image: Path, tmp_path: Path) -> None:
    """They are sorted by what they import."""
    image = FileDescriptorSet(file=reversed(loaded(shelf_image).file))
    contract = read_contract([saved(image, tmp_path / "reversed.binpb")])
    assert contract.image.file[-1].name == "shelf.proto"


def test_two_sets_may_share_files(shelf_image: Path, tmp_path: Path) -> None:
    """The same file twice is one, comments or not, and whatever buf notes beside it."""
    other = loaded(compiled_text(PROTO2, tmp_path))
    for file in other.file:
        file.ClearField("source_code_info")
        file.MergeFrom(FileDescriptorProto.FromString(bytes([0xD2, 0xF6, 0x03, 0x02, 0x08, 0x01])))
    contract = read_contract([shelf_image, saved(other, tmp_path / "other.binpb")])
    assert contract.service_names == ["shelf.v1.Shelves", "shelf.v1.Loans", "old.v1.Orders"]
