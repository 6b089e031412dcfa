"""The words of a contract: the comments before its declarations, made fit for readers of JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from edge.rest.spelling import json_path

# Field numbers of descriptor.proto, which paths in the source info are made of.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM, _MESSAGE_ONEOF = 2, 3, 4, 8
_ENUM_VALUE, _SERVICE_METHOD = 2, 2

_Path = tuple[int, ...]

_TOOL_NOTE = re.compile(r"^\s*(?:buf:lint:|@exclude|\(-- )")
_LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s")
_SENTENCE_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)[.!?](?=\s|$)")
_QUOTED_NAME = re.compile(r"`([a-z][a-z0-9]*(?:[_.][a-z0-9]+)+)`")


def read_comments(image: FileDescriptorSet) -> dict[str, str]:
    """Comments by full name; an enum's value is found under `<enum's full name>.<value>`."""
    names = {field for file in image.file for message in file.message_type for field in _field_names(message)}
    return {
        name: _with_json_names(text, names)
        for file in image.file
        for name, text in _file_comments(file)
        if text
    }


def summary_of(comment: str) -> str:
    """The first sentence, without its full stop."""
    first = comment.split("\n\n", 1)[0]
    end = _SENTENCE_END.search(first)
    sentence = first[: end.end()] if end else first
    return sentence.replace("\n", " ").removesuffix(".")


def paragraphs(*texts: str) -> str:
    """The texts that are not empty, as paragraphs."""
    return "\n\n".join(text for text in texts if text)


def bullets(items: Iterable[tuple[str, str]]) -> str:
    """A list of names and what each means, in Markdown."""
    return "\n".join(f"- `{name}`: {meaning}" if meaning else f"- `{name}`" for name, meaning in items)


def _file_comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    said = {
        tuple(place.path): _reflow(place.leading_comments or place.trailing_comments)
        for place in file.source_code_info.location
        if place.leading_comments or place.trailing_comments
    }
    if not said:
        return
    scope = f"{file.package}." if file.package else ""
    places: list[tuple[str, _Path]] = []
    for index, message in enumerate(file.message_type):
        places += _message_places(message, scope, (_FILE_MESSAGE, index))
    for index, enum in enumerate(file.enum_type):
        places += _enum_places(enum, scope, (_FILE_ENUM, index))
    for index, service in enumerate(file.service):
        places += _service_places(service, scope, (_FILE_SERVICE, index))
    yield from ((name, said.get(path, "")) for name, path in places)


def _message_places(message: DescriptorProto, scope: str, path: _Path) -> Iterator[tuple[str, _Path]]:
    name = f"{scope}{message.name}"
    yield name, path
    for index, field in enumerate(message.field):
        yield f"{name}.{field.name}", (*path, _MESSAGE_FIELD, index)
    for index, oneof in enumerate(message.oneof_decl):
        yield f"{name}.{oneof.name}", (*path, _MESSAGE_ONEOF, index)
    for index, nested in enumerate(message.nested_type):
        yield from _message_places(nested, f"{name}.", (*path, _MESSAGE_NESTED, index))
    for index, enum in enumerate(message.enum_type):
        yield from _enum_places(enum, f"{name}.", (*path, _MESSAGE_ENUM, index))


def _enum_places(enum: EnumDescriptorProto, scope: str, path: _Path) -> Iterator[tuple[str, _Path]]:
    yield f"{scope}{enum.name}", path
    for index, value in enumerate(enum.value):
        yield f"{scope}{enum.name}.{value.name}", (*path, _ENUM_VALUE, index)


def _service_places(service: ServiceDescriptorProto, scope: str, path: _Path) -> Iterator[tuple[str, _Path]]:
    yield f"{scope}{service.name}", path
    for index, method in enumerate(service.method):
        yield f"{scope}{service.name}.{method.name}", (*path, _SERVICE_METHOD, index)


def _reflow(comment: str) -> str:
    """Lines joined to paragraphs; lists keep theirs, notes to tools are dropped."""
    text = ""
    for line in comment.splitlines():
        if _TOOL_NOTE.match(line):
            continue
        words = line.strip()
        if not words:
            text = text.rstrip("\n") + "\n\n"
        elif _LIST_ITEM.match(line):
            text = (text if text.endswith("\n") or not text else text + "\n") + words
        else:
            text += words if not text or text.endswith("\n") else f" {words}"
    return text.strip()


def _with_json_names(text: str, field_names: set[str]) -> str:
    """`page_size` is what the proto says; the reader of the document writes `pageSize`."""

    def spelled(match: re.Match[str]) -> str:
        known = all(name in field_names for name in match[1].split("."))
        return f"`{json_path(match[1])}`" if known else match[0]

    return _QUOTED_NAME.sub(spelled, text)


def _field_names(message: DescriptorProto) -> Iterator[str]:
    yield from (field.name for field in message.field)
    for nested in message.nested_type:
        yield from _field_names(nested)
