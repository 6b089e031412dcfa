"""Contracts of others, compiled as they would compile them: with protoc, into a file."""

import subprocess
import sys
import sysconfig
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

PROTOS = Path(__file__).parent / "protos"
_GOOGLE = sysconfig.get_paths()["purelib"]


def compiled(proto: str, target: Path, *, folder: Path = PROTOS, imports: bool = True) -> Path:
    """Compile one proto into a descriptor set below the folder `target`."""
    target.mkdir(parents=True, exist_ok=True)
    image = target / f"{Path(proto).stem}.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"-I{_GOOGLE}"]
    command += ["--include_source_info", f"--descriptor_set_out={image}"]
    subprocess.run([*command, *(["--include_imports"] if imports else []), proto], check=True)
    return image


def compiled_text(source: str, target: Path, *, name: str = "given.proto", imports: bool = True) -> Path:
    """Compile the text of a proto."""
    folder = target / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(source)
    return compiled(name, target, folder=folder, imports=imports)


def loaded(image: Path) -> FileDescriptorSet:
    """What a compiled file holds."""
    return FileDescriptorSet.FromString(image.read_bytes())


def saved(image: FileDescriptorSet, target: Path) -> Path:
    """Write a descriptor set into a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(image.SerializeToString())
    return target
