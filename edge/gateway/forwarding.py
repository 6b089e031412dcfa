"""What an upstream that is not ours hears beside the message: the edge's headers, and those it asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from aiohttp import web

from edge.client_address import ClientAddresses
from edge.forwarding import CLIENT_ADDRESS, forward_with_client
from edge.rest.upstream import Metadata

# What gRPC or the connection has a meaning of its own for, and what the gateway judges before it tells.
_RESERVED = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
    }
    | {"user-agent", "x-request-id", CLIENT_ADDRESS}
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*", re.ASCII)


def can_forward(name: str) -> bool:
    """Whether a request header of this name may become metadata of the same name."""
    lower = name.lower()
    reserved = lower in _RESERVED or lower.startswith("grpc-") or lower.endswith("-bin")
    return not reserved and _NAME.fullmatch(lower) is not None


def forward_also(names: Sequence[str], addresses: ClientAddresses) -> Callable[[web.Request], Metadata]:
    """Make what the translator sends along: what the edge sends, and each named header."""
    forward = forward_with_client(addresses)

    def forward_named(request: web.Request) -> Metadata:
        sent = forward(request)
        known = {key for key, _ in sent}
        asked_for = [
            (name, value)
            for name in dict.fromkeys(map(str.lower, names))
            if name not in known
            for value in request.headers.getall(name, ())
        ]
        return [*sent, *asked_for]

    return forward_named if names else forward
