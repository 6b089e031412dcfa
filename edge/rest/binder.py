"""Path captures and query parameters into a request message that the body has already filled.

Body first, because only then is it known whether a path variable repeats the body or contradicts it. Every
wrong parameter of a request is reported, not just the first.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from edge.problems import invalid_field, invalid_fields
from edge.rest.fields import (
    FIELD_MASK,
    FieldPath,
    fields_by_any_name,
    is_plain_message,
    resolve_path,
    takes_text,
)
from edge.rest.json_reader import JsonReaders
from edge.rest.json_text import MAX_NESTING
from edge.rest.masks import mask_paths
from edge.rest.routes import Route
from edge.rest.templates import Variable
from edge.rest.text_readers import TextReader, text_reader
from edge.rest.violations import InvalidValueError

# A message that contains itself has names without end: no more of them are remembered for one route.
MAX_NAMES_REMEMBERED = 1024


class _Target(NamedTuple):
    """A field that path or query text goes into."""

    parents: tuple[str, ...]
    oneofs: tuple[str | None, ...]
    names: tuple[str, ...]
    spelled: str
    leaf: FieldDescriptor
    is_repeated: bool
    read: TextReader


class Binder:
    """Fills the request messages of one route."""

    def __init__(self, route: Route, readers: JsonReaders) -> None:
        self._route = route
        self._readers = readers
        self._path = {variable: _target(path, readers) for variable, path in route.path_fields}
        self._path_names = {target.names for target in self._path.values()}
        self._mask = _lone_mask(route)
        # Query names seen before.
        self._query: dict[str, _Target] = {}

    def bind(
        self,
        message: Message,
        captures: Sequence[tuple[Variable, str]],
        query: Sequence[tuple[str, str]],
        body: object = None,
    ) -> None:
        """Add path and query to a message filled from `body`, parsed JSON. Raises `Problem` 400."""
        errors: dict[str, str] = {}
        for variable, text in captures:
            target = self._path[variable]
            try:
                self._bind_path(message, target, text, body)
            except InvalidValueError as error:
                errors[target.spelled] = error.message
        seen: set[tuple[str, ...]] = set()
        for name, text in query:
            try:
                self._bind_query(message, name, text, seen)
            except InvalidValueError as error:
                errors.setdefault(name, error.message)
        if "" in errors:
            raise invalid_field("", "A query parameter has no name.")
        if errors:
            raise invalid_fields(list(errors.items()))
        # A mask that is given and empty is no mask, as gRPC callers send it.
        if self._mask is not None and not getattr(message, self._mask).paths:
            self._fill_mask(message, self._mask, body)

    def _bind_path(self, message: Message, target: _Target, text: str, body: object) -> None:
        holder = _holder(message, target)
        name = target.leaf.name
        in_body = None
        if body is not None and _names_field(self._route, target.names, body):
            in_body = copy.deepcopy(getattr(holder, name))
            holder.ClearField(name)
        target.read(text, holder)
        if in_body is not None and getattr(holder, name) != in_body:
            raise InvalidValueError("must be the same in the path and in the body")

    def _bind_query(self, message: Message, name: str, text: str, seen: set[tuple[str, ...]]) -> None:
        target = self._query.get(name) or self._learn_query(name)
        if target.names in seen and not target.is_repeated:
            raise InvalidValueError("must be given once")
        seen.add(target.names)
        target.read(text, _holder(message, target))

    def _learn_query(self, name: str) -> _Target:
        """Resolve a parameter's name and decide whether this route takes it in the query."""
        if self._route.takes_whole_body:
            raise InvalidValueError("must be in the body; this method takes no query parameters")
        try:
            path = resolve_path(self._route.rpc.input_type, name.split("."))
        except LookupError:
            raise InvalidValueError("is not known here") from None
        if path.names in self._path_names:
            raise InvalidValueError("is already given by the path")
        if self._route.body is not None and path.names[0] == self._route.body.name:
            raise InvalidValueError("must be in the body")
        if not takes_text(path.leaf):
            raise InvalidValueError("cannot be given in the query")
        if path.depth > MAX_NESTING:
            raise InvalidValueError(f"must not be nested deeper than {MAX_NESTING} levels")
        target = _target(path, self._readers)
        if len(self._query) < MAX_NAMES_REMEMBERED:
            self._query[name] = target
        return target

    def _fill_mask(self, message: Message, mask: str, body: object) -> None:
        field = self._route.body
        if field is not None and field.message_type is not None:
            getattr(message, mask).paths.extend(mask_paths(field.message_type, body))


def _target(path: FieldPath, readers: JsonReaders) -> _Target:
    leaf = path.leaf
    return _Target(
        parents=path.parents,
        oneofs=path.oneofs,
        names=path.names,
        spelled=path.spelled,
        leaf=leaf,
        is_repeated=leaf.is_repeated,
        read=text_reader(leaf, readers),
    )


def _holder(message: Message, target: _Target) -> Any:
    """The message that holds the target's leaf. Raises `InvalidValueError` where a oneof is taken."""
    holder: Any = message
    for name, oneof in zip(target.parents, target.oneofs, strict=True):
        if oneof is not None and holder.WhichOneof(oneof) not in {None, name}:
            raise InvalidValueError("excludes another field that is also given")
        holder = getattr(holder, name)
    return holder


def _names_field(route: Route, names: tuple[str, ...], body: object) -> bool:
    """Whether the JSON body gives this field a value, be it the default."""
    if route.body is not None:
        if names[0] != route.body.name:
            return False
        names = names[1:]
    descriptor = route.rpc.input_type if route.body is None else route.body.message_type
    value = body
    for name in names:
        field = fields_by_any_name(descriptor)[name] if descriptor is not None else None
        if field is None or type(value) is not dict:
            return False
        value = value.get(field.json_name, value.get(field.name))
        descriptor = field.message_type
    return value is not None


def _lone_mask(route: Route) -> str | None:
    """The one FieldMask of a PATCH request whose body is a resource: the body's keys may stand for it."""
    masks = [
        field
        for field in route.rpc.input_type.fields
        if field.message_type is not None and field.message_type.full_name == FIELD_MASK
    ]
    if route.http_method != "PATCH" or len(masks) != 1 or masks[0].is_repeated:
        return None
    if route.body is None or route.body.is_repeated or not is_plain_message(route.body) or route.raw_body:
        return None
    is_bound = any(path.names == (masks[0].name,) for _, path in route.path_fields)
    return None if is_bound else masks[0].name
