"""The protos of the JSON tests in a descriptor pool of their own, as a gateway tool would load them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

PROTOS = Path(__file__).parent / "protos"


@cache
def private_pool() -> DescriptorPool:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image"
        compiler = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports"]
        protos = sorted(str(proto) for proto in PROTOS.glob("*.proto"))
        subprocess.run([*compiler, f"--descriptor_set_out={image}", f"-I{PROTOS}", *protos], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    pool = DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def message_class(full_name: str) -> type[Any]:
    """A class of the private pool, well-known types too."""
    return message_factory.GetMessageClass(private_pool().FindMessageTypeByName(full_name))
