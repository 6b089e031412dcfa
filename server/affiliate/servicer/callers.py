"""Who is calling, taken from the context that the interceptor filled."""

import structlog

from server.affiliate.actor import Actor
from server.auth.principal import current_principal


def current_actor() -> Actor:
    """The caller of this RPC and its request id; raises Unauthenticated where there is none."""
    bound = structlog.contextvars.get_contextvars()
    return Actor(current_principal(), str(bound.get("request_id", "")))
