"""The exceptions that clients raise: a gRPC status with its reason and its field violations."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks a rule: its path in the request, and what it must be."""

    field: str
    message: str


@dataclass(eq=False)
class MillraceError(Exception):
    """A call that the server refused, or that did not reach it.

    `code` is the gRPC status; `reason` names an `ErrorReason` of the service's package, or is empty when
    the failure lies below the service; `retry_after_seconds` is what the server asks to wait, if it does.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    retry_after_seconds: float | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.code.name}: {self.message}"]
        if self.reason:
            parts.append(f"reason {self.reason}")
        parts += [f"{violation.field}: {violation.message}" for violation in self.violations]
        return "; ".join(parts)


def error_from_rpc(failure: grpc.aio.AioRpcError) -> MillraceError:
    """Reads everything the status carries. Details that cannot be read are left out, never raised."""
    trailing = dict(failure.trailing_metadata() or ())
    info, bad_request, retry = read_details(trailing.get(DETAILS_KEY, b""))
    return MillraceError(
        code=failure.code(),
        message=failure.details() or "",
        reason=info.reason,
        metadata=dict(info.metadata),
        violations=tuple(
            FieldViolation(violation.field, violation.description)
            for violation in bad_request.field_violations
        ),
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
        request_id=as_text(trailing.get("x-request-id")),
    )


def read_details(
    encoded: str | bytes,
) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo | None]:
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry: error_details_pb2.RetryInfo | None = None
    try:
        details = status_pb2.Status.FromString(encoded if isinstance(encoded, bytes) else b"").details
        for detail in details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                detail.Unpack(info)
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                detail.Unpack(bad_request)
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                retry = error_details_pb2.RetryInfo()
                detail.Unpack(retry)
    except DecodeError:
        # The status itself is still worth raising.
        pass
    return info, bad_request, retry


def as_text(value: str | bytes | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
