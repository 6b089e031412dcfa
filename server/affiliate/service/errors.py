"""What the affiliate services refuse, each with a reason of `millrace.affiliate.v1.ErrorReason`."""

import uuid

from server.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)


class PartnerNotFound(NotFound):
    """No partner has this id, or the caller may not see it."""

    def __init__(self, partner_id: uuid.UUID) -> None:
        super().__init__(
            "No partner has this id.", reason="PARTNER_NOT_FOUND", metadata={"partner_id": str(partner_id)}
        )


class LinkNotFound(NotFound):
    """No link has this id or code, or the caller may not see it."""

    def __init__(self) -> None:
        super().__init__("No link has this id or code.", reason="LINK_NOT_FOUND")


class EmailTaken(AlreadyExists):
    """Another partner has this address."""

    def __init__(self) -> None:
        message = "Another partner already has this e-mail address."
        super().__init__(message, reason="EMAIL_TAKEN", fields=[FieldViolation("email", message)])


class CodeTaken(AlreadyExists):
    """Another link has this custom code."""

    def __init__(self, code: str) -> None:
        message = "Another link already has this code; choose another."
        super().__init__(
            message,
            reason="CODE_TAKEN",
            metadata={"short_code": code},
            fields=[FieldViolation("custom_code", message)],
        )


class StatusConflict(FailedPrecondition):
    """The partner's status does not allow the change."""

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message, reason="STATUS_CONFLICT", metadata={"status": status})


class PartnerNotActive(FailedPrecondition):
    """Only an ACTIVE partner may do this."""

    def __init__(self, status: str) -> None:
        super().__init__(
            f"The partner is {status}; only an ACTIVE one may do this.",
            reason="PARTNER_NOT_ACTIVE",
            metadata={"status": status},
        )


class MintingDisabled(FailedPrecondition):
    """This installation mints no tokens."""

    def __init__(self) -> None:
        super().__init__(
            "Tokens are not minted here; use the ones your identity provider issues.",
            reason="MINTING_DISABLED",
        )


class PayloadMismatch(Aborted):
    """The request id was used before with other content."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            "This request id was used before with other content; send a new one.",
            reason="PAYLOAD_MISMATCH",
            metadata={"request_id": request_id},
        )


class CodesExhausted(Aborted):
    """Every code drawn was taken; a repeated call draws others."""

    def __init__(self) -> None:
        super().__init__("No free code was found; repeat the call.", reason="CODES_EXHAUSTED")


class CommissionNotAllowed(PermissionDenied):
    """Only admins set a commission."""

    def __init__(self) -> None:
        message = "Only an admin may set a commission; leave the field out."
        super().__init__(
            message, reason="COMMISSION_NOT_ALLOWED", fields=[FieldViolation("commission", message)]
        )


def refused_field(field: str, message: str, reason: str = "INVALID_FIELD") -> InvalidArgument:
    """A request with one wrong field; `field` is its proto path, the message says how to correct it."""
    return InvalidArgument(f"{field}: {message}", reason=reason, fields=[FieldViolation(field, message)])
