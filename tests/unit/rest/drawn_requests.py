"""Request messages for routes, drawn by hypothesis: whatever a client could want to send there."""

from __future__ import annotations

from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

from edge.rest.fields import DURATION, FIELD_MASK, TIMESTAMP, descriptor_of, is_map, is_wrapper, real_oneof
from edge.rest.routes import Route
from edge.rest.scalars import NULL_VALUE

# Google's client encodes nothing but the path, so a query text is any text that has no control characters.
_query_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
_path_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=8
)
_body_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
}
_DOTS = {".", ".."}


def _scalar(field: FieldDescriptor, text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    if field.cpp_type in _INTEGERS:
        return _INTEGERS[field.cpp_type]
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_STRING:
        return text
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=5)
    return st.floats(width=32, allow_nan=False)


@st.composite
def requests(draw: st.DrawFn, route: Route) -> Any:
    """A request for the route: its path variables filled with what fits, the rest with anything."""
    request = message_factory.GetMessageClass(route.rpc.input_type)()
    in_body = "*" if route.takes_whole_body else route.body.name if route.body is not None else None
    bound = {path.names[0] for _, path in route.path_fields}
    for field in route.rpc.input_type.fields:
        if field.name not in bound:
            where = _body_text if in_body in {"*", field.name} else _query_text
            _fill_field(draw, request, field, where, is_json=in_body in {"*", field.name}, depth=0)
    for variable, path in route.path_fields:
        holder = request
        for name in path.parents:
            holder = getattr(holder, name)
        setattr(holder, path.leaf.name, draw(_captured(route, variable, path.leaf)))
    return request


@st.composite
def _captured(draw: st.DrawFn, route: Route, variable: Any, leaf: FieldDescriptor) -> Any:
    """A value of the variable's pattern."""
    if leaf.type != FieldDescriptor.TYPE_STRING:
        return draw(_scalar(leaf, _path_text).filter(bool))  # Google's transcoder takes 0 for nothing
    pieces = route.template.pieces[variable.start : variable.stop]
    written: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            written.append(piece)
        elif piece.value == "*":
            written.append(draw(_path_text.filter(lambda text: text not in _DOTS)))
        else:
            rest = draw(st.lists(_path_text.filter(lambda text: text not in _DOTS), min_size=1, max_size=3))
            written.extend(rest)
    return "/".join(written)


def _fill_field(
    draw: st.DrawFn,
    message: Any,
    field: FieldDescriptor,
    text: st.SearchStrategy[str],
    *,
    is_json: bool,
    depth: int,
) -> None:
    """Set the field or not; only what a query can spell unless it is for a JSON body."""
    oneof = real_oneof(field)
    is_taken = oneof is not None and message.WhichOneof(oneof) is not None
    # Google's client leaves nulls out of a query.
    is_null = field.enum_type is not None and field.enum_type.full_name == NULL_VALUE and not is_json
    if is_taken or is_null or is_map(field) or draw(st.booleans()):
        return
    kind = field.message_type
    if kind is None:
        _set_scalar(draw, message, field, text)
    elif kind.file.name == "probe.proto":
        if depth < 2 and (is_json or not field.is_repeated):
            _fill_messages(draw, message, field, text, is_json=is_json, depth=depth)
    elif is_wrapper(kind) or kind.full_name in {TIMESTAMP, DURATION, FIELD_MASK}:
        for known in _instances(draw, message, field):
            known.SetInParent()
            _fill_known(draw, known, text)


def _fill_known(draw: st.DrawFn, message: Any, text: st.SearchStrategy[str]) -> None:
    kind = descriptor_of(message)
    if kind.full_name == TIMESTAMP:
        message.FromSeconds(draw(st.integers(-(10**9), 10**10)))
    elif kind.full_name == DURATION:
        message.FromMilliseconds(draw(st.integers(-(10**9), 10**9)))
    elif kind.full_name == FIELD_MASK:
        message.paths.extend(["some_text", "deeper.count"])
    else:
        message.value = draw(_scalar(kind.fields_by_name["value"], text))


def _fill_messages(
    draw: st.DrawFn,
    message: Any,
    field: FieldDescriptor,
    text: st.SearchStrategy[str],
    *,
    is_json: bool,
    depth: int,
) -> None:
    for inner in _instances(draw, message, field):
        inner.SetInParent()
        for below in descriptor_of(inner).fields:
            _fill_field(draw, inner, below, text, is_json=is_json, depth=depth + 1)
        if not is_json and not inner.ListFields():
            # A query cannot say that a message is there but empty.
            message.ClearField(field.name)


def _set_scalar(draw: st.DrawFn, message: Any, field: FieldDescriptor, text: st.SearchStrategy[str]) -> None:
    values = _scalar(field, text)
    if field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(values, max_size=3)))
    else:
        setattr(message, field.name, draw(values))


def _instances(draw: st.DrawFn, message: Any, field: FieldDescriptor) -> list[Any]:
    if not field.is_repeated:
        return [getattr(message, field.name)]
    return [getattr(message, field.name).add() for _ in range(draw(st.integers(0, 2)))]
