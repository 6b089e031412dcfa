"""Compiled contracts: files of protoc or buf become one image and the services in it that have HTTP rules.

The messages live in a pool of their own: a contract may bring another copy of what this process is made of.
How a rule is read is `edge.rest.routes`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from edge.gateway.field_names import refuse_unusable_names
from edge.gateway.refusals import StartRefused
from edge.rest.matcher import RuleTree
from edge.rest.routes import BadRuleError, Route, read_routes

_WELL_KNOWN = "google/protobuf/"
_HOW_TO_COMPILE = "write one with `protoc --include_imports --descriptor_set_out=FILE` or `buf build -o FILE`"


@dataclass(frozen=True, slots=True)
class Contract:
    """What is served: the files, each after those it imports; services in the order of the files; routes."""

    image: FileDescriptorSet
    services: tuple[ServiceDescriptor, ...]
    routes: RuleTree[Route]

    @property
    def service_names(self) -> list[str]:
        """Full names of the services."""
        return [service.full_name for service in self.services]


def read_contract(paths: Iterable[Path], service_names: Sequence[str] = ()) -> Contract:
    """The contract in these files, limited to the named services if there are names.

    Raises `StartRefused` when a file is no descriptor set, when an import is missing, when two files
    contradict each other, when a rule cannot work, or when there is nothing to serve.
    """
    image = FileDescriptorSet(file=_sorted_by_imports(_merged(paths)))
    pool = _filled_pool(image)
    offered = [
        service
        for file in image.file
        for service in pool.FindFileByName(file.name).services_by_name.values()
        if _has_rules(service)
    ]
    services = _chosen(offered, service_names)
    refuse_unusable_names(services)
    try:
        return Contract(image, services, read_routes(services))
    except BadRuleError as error:
        raise StartRefused(str(error)) from error


def _merged(paths: Iterable[Path]) -> dict[str, FileDescriptorProto]:
    files: dict[str, FileDescriptorProto] = {}
    for path in paths:
        for file in _read(path).file:
            known = files.setdefault(file.name, file)
            # Compilers carry their own editions of the well-known files; the first one counts.
            if not file.name.startswith(_WELL_KNOWN) and _content(known) != _content(file):
                raise StartRefused(f"{path}: {file.name} differs from the file of that name given before")
    return files


def _read(path: Path) -> FileDescriptorSet:
    try:
        written = path.read_bytes()
    except OSError as error:
        raise StartRefused(f"{path}: cannot be read: {error.strerror}") from error
    try:
        descriptors = FileDescriptorSet.FromString(written)
    except DecodeError:
        descriptors = FileDescriptorSet()
    if not descriptors.file or not all(file.name for file in descriptors.file):
        raise StartRefused(f"{path}: is not a compiled descriptor set: {_HOW_TO_COMPILE}")
    return descriptors


def _content(file: FileDescriptorProto) -> bytes:
    """What two copies of a file must have in common: not its comments, nor what buf notes about it."""
    content = FileDescriptorProto()
    content.CopyFrom(file)
    content.ClearField("source_code_info")
    return FileDescriptorProto(
        **{field.name: value for field, value in content.ListFields()}
    ).SerializeToString(deterministic=True)


def _sorted_by_imports(files: dict[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Each file after those it imports, and otherwise in the order given."""
    placed: dict[str, FileDescriptorProto] = {}

    def place(name: str, importers: tuple[str, ...]) -> None:
        if name in placed:
            return
        if name not in files:
            raise StartRefused(
                f"{importers[-1]} imports {name}, which the set does not have: compile with --include_imports"
            )
        if name in importers:
            raise StartRefused(f"files import each other: {' -> '.join((*importers, name))}")
        for imported in files[name].dependency:
            place(imported, (*importers, name))
        placed[name] = files[name]

    for name in files:
        place(name, ())
    return list(placed.values())


def _filled_pool(image: FileDescriptorSet) -> DescriptorPool:
    pool = DescriptorPool()
    for file in image.file:
        try:
            pool.Add(file)
        except TypeError as error:
            reason = str(error).rpartition("descriptor pool: ")[2]
            raise StartRefused(f"{file.name}: {' '.join(reason.split())}") from error
    return pool


def _has_rules(service: ServiceDescriptor) -> bool:
    return any(method.GetOptions().HasExtension(annotations_pb2.http) for method in service.methods)


def _chosen(offered: Sequence[ServiceDescriptor], names: Sequence[str]) -> tuple[ServiceDescriptor, ...]:
    if not offered:
        raise StartRefused("no method of the descriptor set has a google.api.http rule")
    known = [service.full_name for service in offered]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise StartRefused(
            f"there is no service {', '.join(unknown)} with HTTP rules; there are: {', '.join(known)}"
        )
    return tuple(service for service in offered if not names or service.full_name in names)
