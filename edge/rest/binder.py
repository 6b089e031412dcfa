"""Path captures and query parameters into a request message that the body has already filled.

Body first, because only then is it known whether a path variable repeats the body or contradicts it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from edge.problems import invalid_field
from edge.rest.fields import FieldPath, fields_by_any_name, is_wrapper, real_oneof, resolve_path, takes_text
from edge.rest.json_reader import JsonReaders
from edge.rest.masks import mask_paths
from edge.rest.routes import Route
from edge.rest.scalars import text_scalar
from edge.rest.templates import Variable
from edge.rest.violations import InvalidValueError

TextReader = Callable[[str, Any], None]


class Binder:
    """Fills the request messages of one route."""

    def __init__(self, route: Route, readers: JsonReaders) -> None:
        self._route = route
        self._readers = readers
        self._path = {
            variable: (path, _text_reader(path.leaf, readers)) for variable, path in route.path_fields
        }
        self._path_names = {path.names for path, _ in self._path.values()}
        self._mask = _lone_mask(route)
        # Query names seen before; unknown ones are not kept, so that nobody can grow this.
        self._query: dict[str, tuple[FieldPath, TextReader]] = {}

    def bind(
        self,
        message: Message,
        captures: Sequence[tuple[Variable, str]],
        query: Sequence[tuple[str, str]],
        body: object = None,
    ) -> None:
        """Add path and query to a message filled from `body`, parsed JSON. Raises `Problem` 400."""
        for variable, text in captures:
            self._bind_path(message, variable, text, body)
        seen: set[tuple[str, ...]] = set()
        for name, text in query:
            self._bind_query(message, name, text, seen)
        if self._mask is not None and (self._mask.name,) not in seen and self._route.body is not None:
            implied = mask_paths(self._route.body.message_type, body) if self._route.body.message_type else []
            getattr(message, self._mask.name).paths.extend(implied)

    def _bind_path(self, message: Message, variable: Variable, text: str, body: object) -> None:
        path, read = self._path[variable]
        holder = _holder(message, path)
        in_body = None
        if _names_field(self._route, path, body):
            in_body = copy.deepcopy(getattr(holder, path.leaf.name))
            holder.ClearField(path.leaf.name)
        _read(read, text, holder, path)
        if in_body is not None and getattr(holder, path.leaf.name) != in_body:
            raise invalid_field(_spelled(path), "must be the same in the path and in the body")

    def _bind_query(self, message: Message, name: str, text: str, seen: set[tuple[str, ...]]) -> None:
        path, read = self._query.get(name) or self._learn_query(name)
        if path.names in seen and not path.leaf.is_repeated:
            raise invalid_field(name, "must be given once")
        seen.add(path.names)
        _read(read, text, _holder(message, path), path, name)

    def _learn_query(self, name: str) -> tuple[FieldPath, TextReader]:
        """Resolve a parameter's name and decide whether this route takes it in the query."""
        if self._route.takes_whole_body:
            raise invalid_field(name, "must be in the body; this method takes no query parameters")
        try:
            path = resolve_path(self._route.rpc.input_type, name.split("."))
        except LookupError:
            raise invalid_field(name, "is not known here") from None
        if path.names in self._path_names:
            raise invalid_field(name, "is already given by the path")
        if self._route.body is not None and path.names[0] == self._route.body.name:
            raise invalid_field(name, "must be in the body")
        if not takes_text(path.leaf):
            raise invalid_field(name, "cannot be given in the query")
        self._query[name] = path, _text_reader(path.leaf, self._readers)
        return self._query[name]


def _text_reader(field: FieldDescriptor, readers: JsonReaders) -> TextReader:
    """Reads one text into the field of the message that holds it; a repeated field gets one more element."""
    set_one = _append(field, readers) if field.is_repeated else _assign(field, readers)
    oneof = real_oneof(field)
    if oneof is None:
        return set_one

    def set_one_of(text: str, holder: Any) -> None:
        if holder.WhichOneof(oneof) is not None:
            raise InvalidValueError("excludes another field that is also given")
        set_one(text, holder)

    return set_one_of


def _assign(field: FieldDescriptor, readers: JsonReaders) -> TextReader:
    name = field.name
    if field.message_type is None:
        convert = text_scalar(field)
        return lambda text, holder: setattr(holder, name, convert(text))
    fill = _message_filler(field.message_type, readers)

    def assign(text: str, holder: Any) -> None:
        getattr(holder, name).SetInParent()
        fill(text, getattr(holder, name))

    return assign


def _append(field: FieldDescriptor, readers: JsonReaders) -> TextReader:
    name = field.name
    if field.message_type is None:
        convert = text_scalar(field)
        return lambda text, holder: getattr(holder, name).append(convert(text))
    fill = _message_filler(field.message_type, readers)
    return lambda text, holder: fill(text, getattr(holder, name).add())


def _message_filler(descriptor: Descriptor, readers: JsonReaders) -> TextReader:
    if not is_wrapper(descriptor):
        return readers.of(descriptor)
    convert = text_scalar(descriptor.fields_by_name["value"])
    return lambda text, wrapper: setattr(wrapper, "value", convert(text))


def _read(read: TextReader, text: str, holder: Message, path: FieldPath, name: str = "") -> None:
    try:
        read(text, holder)
    except InvalidValueError as error:
        raise invalid_field(name or _spelled(path), error.message) from None


def _holder(message: Message, path: FieldPath) -> Any:
    """The message that holds the path's leaf."""
    holder: Any = message
    for name in path.parents:
        holder = getattr(holder, name)
    return holder


def _names_field(route: Route, path: FieldPath, body: object) -> bool:
    """Whether the JSON body gives this field a value, be it the default."""
    names = path.names
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


def _lone_mask(route: Route) -> FieldDescriptor | None:
    """The one FieldMask of a PATCH request whose body is a field: the mask may be left to the body's keys."""
    masks = [
        field
        for field in route.rpc.input_type.fields
        if field.message_type is not None and field.message_type.full_name == "google.protobuf.FieldMask"
    ]
    if route.http_method != "PATCH" or route.body is None or len(masks) != 1 or masks[0].is_repeated:
        return None
    return masks[0]


def _spelled(path: FieldPath) -> str:
    return ".".join((*path.parents, path.leaf.json_name))
