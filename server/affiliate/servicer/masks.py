"""Which fields an Update call changes, from its mask and from what its resource holds."""

from google.api import field_behavior_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from server.affiliate.service.errors import refused_field


def paths_to_change(resource: Message, mask: FieldMask, *, identity: str | None = None) -> frozenset[str]:
    """The top-level fields to change; those that only we set, and the `identity`, are passed over.

    Without a mask: the fields set in `resource`. With "*": every field. Raises InvalidArgument for an
    unknown or nested path, and for a mask that names nothing but fields that cannot be changed.
    """
    fields = frozenset(resource.DESCRIPTOR.fields_by_name)
    mutable = fields - _output_only(resource) - {identity}
    if list(mask.paths) == ["*"]:
        return mutable
    asked = frozenset(mask.paths) or frozenset(field.name for field, _ in resource.ListFields())
    for path in sorted(asked - fields):
        raise refused_field(
            "update_mask", f"{path!r} is no field of {resource.DESCRIPTOR.name}; name whole fields"
        )
    changed = asked & mutable
    fixed = sorted(asked - mutable - {identity})
    if fixed and not changed:
        raise refused_field(fixed[0], "cannot be changed by an update")
    return changed


def _output_only(resource: Message) -> frozenset[str]:
    return frozenset(
        field.name
        for field in resource.DESCRIPTOR.fields
        if field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    )
