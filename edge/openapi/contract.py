"""A compiled contract in a pool of its own, with its comments and every option that it declares.

A pool of its own, because the options of `buf.validate` and of other people's contracts are no modules here.
What the options mean is decided by the modules that ask for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from google.api import annotations_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    OneofDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from edge.openapi.comments import read_comments

Described = (
    Descriptor | EnumDescriptor | FieldDescriptor | MethodDescriptor | OneofDescriptor | ServiceDescriptor
)


def shipped_image() -> FileDescriptorSet:
    """Millrace's own contract, with comments and imports, as the clients carry it."""
    return FileDescriptorSet.FromString((files("millrace") / "contract.binpb").read_bytes())


class Contract:
    """The services, comments and options of one image, which must hold its imports too."""

    def __init__(self, image: FileDescriptorSet) -> None:
        self._pool = DescriptorPool()
        self._files = list(_imports_first(image))
        for file in self._files:
            self._pool.AddSerializedFile(file.SerializeToString())
        self._comments = read_comments(image)
        self._options_classes: dict[str, Any] = {}
        self._extensions: dict[str, FieldDescriptor | None] = {}

    def services(self, names: Sequence[str] | None = None) -> list[ServiceDescriptor]:
        """These services, or every one that has an HTTP rule. Raises KeyError for an unknown name."""
        if names is not None:
            return [self._pool.FindServiceByName(name) for name in names]
        found = (
            self._pool.FindServiceByName(f"{file.package}.{service.name}" if file.package else service.name)
            for file in self._files
            for service in file.service
        )
        return [service for service in found if any(map(_has_http_rule, service.methods))]

    def comment(self, full_name: str) -> str:
        """The words before a declaration, in paragraphs; empty when there are none."""
        return self._comments.get(full_name, "")

    def declares(self, extension: str) -> bool:
        """Whether the image has an extension of this full name."""
        return self._extension(extension) is not None

    def option(self, described: Described, extension: str) -> Any | None:
        """The value of a custom option; None when unset or unknown to the image, [] for a repeated one."""
        field = self._extension(extension)
        if field is None:
            return None
        if not described.has_options:
            return [] if field.is_repeated else None
        options = self._options(described)
        if field.is_repeated or options.HasExtension(field):
            return options.Extensions[field]
        return None

    def enums_named(self, name: str, packages: Sequence[str]) -> Iterator[EnumDescriptor]:
        """Top-level enums of this name in these packages, in the image's order."""
        for file in self._files:
            if file.package in packages and any(enum.name == name for enum in file.enum_type):
                yield self._pool.FindEnumTypeByName(f"{file.package}.{name}")

    def packages(self) -> list[str]:
        return list(dict.fromkeys(file.package for file in self._files))

    def _extension(self, name: str) -> FieldDescriptor | None:
        if name not in self._extensions:
            try:
                self._extensions[name] = self._pool.FindExtensionByName(name)
            except KeyError:
                self._extensions[name] = None
        return self._extensions[name]

    def _options(self, described: Described) -> Any:
        """The options, read again by a class that knows this image's extensions."""
        generic = described.GetOptions()
        name = generic.DESCRIPTOR.full_name
        if name not in self._options_classes:
            descriptor = self._pool.FindMessageTypeByName(name)
            self._options_classes[name] = message_factory.GetMessageClass(descriptor)
        return self._options_classes[name].FromString(generic.SerializeToString())


def _has_http_rule(method: MethodDescriptor) -> bool:
    return bool(method.GetOptions().HasExtension(annotations_pb2.http))


def _imports_first(image: FileDescriptorSet) -> Iterator[FileDescriptorProto]:
    """Every file after those it imports, which a pool insists on."""
    by_name = {file.name: file for file in image.file}
    done: set[str] = set()

    def visit(name: str) -> Iterator[FileDescriptorProto]:
        if name in done or name not in by_name:
            return
        done.add(name)
        for dependency in by_name[name].dependency:
            yield from visit(dependency)
        yield by_name[name]

    for file in image.file:
        yield from visit(file.name)
