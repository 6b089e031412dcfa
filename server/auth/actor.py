"""On whose behalf a use case runs, as the services of every domain need to know it."""

import uuid
from dataclasses import dataclass

import structlog

from server.auth.principal import Principal, current_principal


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller and the id of its request; both go into the audit."""

    principal: Principal
    request_id: str

    @property
    def is_admin(self) -> bool:
        return self.principal.is_admin

    @property
    def partner_id(self) -> uuid.UUID | None:
        """The partner that the caller is; None for everybody else."""
        text = self.principal.partner_id
        return None if text is None else uuid.UUID(text)

    def may_see(self, partner_id: uuid.UUID) -> bool:
        """Whether what belongs to this partner exists for the caller at all."""
        return self.is_admin or self.partner_id == partner_id


def current_actor() -> Actor:
    """The caller of this RPC and its request id, from the context that the interceptor filled.

    For servicers only; services are given it. Raises Unauthenticated where there is none.
    """
    bound = structlog.contextvars.get_contextvars()
    return Actor(current_principal(), str(bound.get("request_id", "")))
