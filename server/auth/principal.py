"""The caller of the current RPC. Only servicers read it; services get it, or a part of it, as an argument."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from server.errors import Unauthenticated


class Role(StrEnum):
    """What a token says its bearer is; the values are those of the `role` claim."""

    ADMIN = "admin"
    PARTNER = "partner"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `partner_id` is set for partners and for nobody else."""

    subject: str
    role: Role
    partner_id: str | None = None

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def identity(self) -> str:
        """Names the caller across tokens: what page tokens and idempotency keys are bound to."""
        return f"{self.role}:{self.partner_id or self.subject}"


_current: ContextVar[Principal | None] = ContextVar("millrace_principal", default=None)


def current_principal() -> Principal:
    """The caller of this RPC. Raises Unauthenticated in a public method called without a token."""
    principal = _current.get()
    if principal is None:
        raise Unauthenticated("Send a bearer token.", reason="CREDENTIAL_INVALID")
    return principal


@contextmanager
def acting_as(principal: Principal | None) -> Iterator[None]:
    """Make `principal` the current one for the length of the block."""
    token = _current.set(principal)
    try:
        yield
    finally:
        _current.reset(token)
