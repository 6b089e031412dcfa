"""Which fields an Update call changes, from its mask and from what its resource holds."""

from google.api import field_behavior_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from server.affiliate.service.errors import refused_field


def paths_to_change(resource: Message, mask: FieldMask, *, identity: str | None = None) -> frozenset[str]:
    """The top-level fields to change; those that only we set, and the `identity`, are passed over.

    Without a mask: the fields set in `resource`. With "*": every field. A path to a part of a field
    (`commission.rate`) names the whole field: its parts hold together, and none is changed alone. Raises
    InvalidArgument for an unknown path, and for a mask that names only fields that cannot be changed.
    """
    fields = frozenset(resource.DESCRIPTOR.fields_by_name)
    mutable = fields - _output_only(resource) - {identity}
    if list(mask.paths) == ["*"]:
        return mutable
    asked = frozenset(_whole_field(resource, path) for path in mask.paths) or frozenset(
        field.name for field, _ in resource.ListFields()
    )
    changed = asked & mutable
    fixed = sorted(asked - mutable - {identity})
    if fixed and not changed:
        raise refused_field(fixed[0], "cannot be changed by an update")
    return changed


def _whole_field(resource: Message, path: str) -> str:
    """The top-level field that a path names or leads into: REST makes paths from a body's innermost keys."""
    name, dot, part = path.partition(".")
    field = resource.DESCRIPTOR.fields_by_name.get(name)
    parts = field.message_type.fields_by_name if field is not None and field.message_type is not None else {}
    if field is None or (dot and part not in parts):
        raise refused_field("update_mask", f"{path!r} is no field of {resource.DESCRIPTOR.name}")
    return name


def _output_only(resource: Message) -> frozenset[str]:
    return frozenset(
        field.name
        for field in resource.DESCRIPTOR.fields
        if field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    )
