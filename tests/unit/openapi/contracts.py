"""Contracts made of a few lines of proto, compiled with everything that Millrace's own may import."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from edge.openapi import make_document
from tools import contract

IMPORTS = """
syntax = "proto3";
package test.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "millrace/auth/v1/access.proto";
import "millrace/rpc/v1/deadline.proto";
"""


@cache
def image_of(source: str, *, with_imports: str = IMPORTS) -> FileDescriptorSet:
    """The compiled image, with comments, of a proto file with this text behind the imports."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test.proto").write_text(with_imports + source)
        rules = Path(folder) / "validate.binpb"
        rules.write_bytes(contract.validation_descriptors().SerializeToString())
        image = Path(folder) / "image.binpb"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc", "--include_imports", "--include_source_info"),
                *(f"--descriptor_set_in={rules}", f"--descriptor_set_out={image}", f"-I{folder}"),
                *(f"-I{contract.PROTOS}", f"-I{sysconfig.get_paths()['purelib']}", "test.proto"),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return FileDescriptorSet.FromString(image.read_bytes())


def document_of(source: str) -> dict[str, Any]:
    """The document of every service in the text."""
    return make_document(image_of(source), title="Test", version="1")


def schema_of(source: str, component: str) -> dict[str, Any]:
    """One component's schema of the document."""
    found: dict[str, Any] = document_of(source)["components"]["schemas"][component]
    return found


def message_classes(image: FileDescriptorSet) -> dict[str, Any]:
    """Classes for the messages of `test.v1`, by name, in a pool of their own."""
    pool = descriptor_pool.DescriptorPool()
    for file in image.file:
        pool.AddSerializedFile(file.SerializeToString())
    messages = pool.FindFileByName("test.proto").message_types_by_name
    return {name: message_factory.GetMessageClass(found) for name, found in messages.items()}
