"""Tells the services whose request it is that the edge translates for them."""

import ipaddress
from collections.abc import Callable

from aiohttp import web

from edge.client_address import NOBODY, ClientAddresses
from edge.connections import Connection
from edge.rest.upstream import Metadata, forward_allowed

CLIENT_ADDRESS = "x-forwarded-for"


def forward_with_client(addresses: ClientAddresses) -> Callable[[web.Request], Metadata]:
    """Make what the translator sends along: the allowed headers, and the client's address as we judge it.

    The services never see the X-Forwarded-For of a client that is not behind our own proxies.
    """

    def forward(request: web.Request) -> Metadata:
        peer = request.protocol.peer if isinstance(request.protocol, Connection) else NOBODY
        client = addresses.client_of(peer, request.headers.getall("X-Forwarded-For", ()))
        if not client:
            return forward_allowed(request)
        return [*forward_allowed(request), (CLIENT_ADDRESS, str(ipaddress.ip_address(client)))]

    return forward
