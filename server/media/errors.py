"""What the media service refuses, each with a reason of `millrace.media.v1.ErrorReason`."""

from __future__ import annotations

from collections.abc import Sequence

from server.errors import FailedPrecondition, FieldViolation, InvalidArgument, NotFound, Unavailable
from server.media.content_types import EXTENSIONS

_SECONDS_UNTIL_THE_STORE_IS_BACK = 2.0


class MediaNotFound(NotFound):
    """No picture has this id or key."""

    def __init__(self) -> None:
        super().__init__("No picture has this id or key.", reason="MEDIA_NOT_FOUND")


class TypeNotAllowed(InvalidArgument):
    """Pictures of the declared type are not taken."""

    def __init__(self) -> None:
        message = f"must be one of {', '.join(EXTENSIONS)}, without parameters"
        super().__init__(
            f"Correct the field content_type: {message}.",
            reason="TYPE_NOT_ALLOWED",
            fields=[FieldViolation("content_type", message)],
        )


class VariantUnknown(InvalidArgument):
    """The entity type's set has no recipe of a name; `positions` tells which of the variants asked for."""

    def __init__(self, positions: Sequence[int], known: Sequence[str]) -> None:
        message = f"must be one of {', '.join(known)}, or come with a width or a height"
        fields = [FieldViolation(f"variants[{position}].name", message) for position in positions]
        super().__init__(
            f"Correct the field {fields[0].field}: {message}.", reason="VARIANT_UNKNOWN", fields=fields
        )


class UploadMissing(FailedPrecondition):
    """Nothing was uploaded under the picture's key yet."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing was uploaded yet; PUT the file to the upload URL, then call again.",
            reason="UPLOAD_MISSING",
        )


class TooManyVariants(FailedPrecondition):
    """The picture would have more variants than one job can be asked to make."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"A picture has at most {most} variants; name some that it has, to replace them.",
            reason="TOO_MANY_VARIANTS",
        )


class StoreAway(Unavailable):
    """The object store cannot be used at the moment, and nothing was recorded."""

    def __init__(self) -> None:
        super().__init__(
            "The object store cannot be used at the moment. Repeat the call.",
            reason="STORE_UNAVAILABLE",
            retry_after=_SECONDS_UNTIL_THE_STORE_IS_BACK,
        )
