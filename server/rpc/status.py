"""How a domain error looks on the wire: a gRPC code and google.rpc details."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from server.errors import (
    Aborted,
    AlreadyExists,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

ERROR_DOMAIN = "millrace"
DETAILS_KEY = "grpc-status-details-bin"

# HTTP/2 peers commonly refuse header blocks over 8 KiB, and the details travel in one.
_DETAILS_MAX_BYTES = 6000
_MESSAGE_MAX_CHARS = 500

_CODES: dict[type[DomainError], grpc.StatusCode] = {
    InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    Aborted: grpc.StatusCode.ABORTED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a refused call ends: code, text and the encoded `google.rpc.Status` with its details."""

    code: grpc.StatusCode
    message: str
    details: bytes


def outcome_of(error: DomainError) -> Outcome:
    """The wire form of a domain error; a subclass has the code of its parent."""
    code = next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
    details: list[Message] = []
    if not isinstance(error, Unauthenticated):
        details.append(
            error_details_pb2.ErrorInfo(domain=ERROR_DOMAIN, reason=error.reason, metadata=error.metadata)
        )
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after * 1e9))
        details.append(retry)
    return _outcome(code, error.message, details, error)


def plain_outcome(code: grpc.StatusCode, message: str, reason: str) -> Outcome:
    """The wire form of an end that is nobody's domain error, such as a passed deadline."""
    return _outcome(code, message, [error_details_pb2.ErrorInfo(domain=ERROR_DOMAIN, reason=reason)], None)


def _outcome(
    code: grpc.StatusCode, message: str, details: list[Message], error: DomainError | None
) -> Outcome:
    message = message[:_MESSAGE_MAX_CHARS]
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.append(_packed(detail))
    if error is not None and error.fields:
        room = _DETAILS_MAX_BYTES - status.ByteSize()
        status.details.append(_packed(_bad_request(error, room)))
    return Outcome(code=code, message=message, details=status.SerializeToString())


def _bad_request(error: DomainError, room: int) -> error_details_pb2.BadRequest:
    """As many violations as fit into `room` bytes, with a last one that says how many were left out."""
    listed = error_details_pb2.BadRequest()
    for number, field in enumerate(error.fields):
        violation = listed.field_violations.add(
            field=field.field[:_MESSAGE_MAX_CHARS], description=field.message[:_MESSAGE_MAX_CHARS]
        )
        if number and listed.ByteSize() > room:
            violation.field = ""
            violation.description = f"and {len(error.fields) - number} more"
            break
    return listed


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
