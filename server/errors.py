"""The tree of domain errors, one class per gRPC code that we mean. The codes live in `server.rpc`."""

# ruff: noqa: N818 - the classes are named after the gRPC codes, which readers know

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that breaks a rule; `field` is its proto path (`variants[0].sku`)."""

    field: str
    message: str


class DomainError(Exception):
    """A refusal that the caller can understand.

    `message` says what to do next and is shown to the caller. `reason` is the name of a value of the
    domain's `ErrorReason`, or of `millrace.rpc.v1.ErrorReason` where it belongs to no domain.
    `retry_after` is in seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        metadata: Mapping[str, str] | None = None,
        fields: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.fields = tuple(fields)
        self.retry_after = retry_after


class InvalidArgument(DomainError):
    """The request is wrong whatever the state of the system; `fields` names what to correct."""


class FailedPrecondition(DomainError):
    """The request is well formed, but the state of the system has to change first."""


class NotFound(DomainError):
    """The thing named does not exist, or the caller may not know that it does."""


class AlreadyExists(DomainError):
    """Something else already has the name or key asked for."""


class Aborted(DomainError):
    """Somebody else changed the thing at the same time: read it again and repeat."""


class PermissionDenied(DomainError):
    """The caller is known, and may not do this."""


class Unauthenticated(DomainError):
    """The caller is not known. Carries no detail on purpose."""


class ResourceExhausted(DomainError):
    """A limit of the caller's own is reached; `retry_after` says when to come back."""


class Unavailable(DomainError):
    """A backing service cannot be reached at the moment; the call may be repeated."""
