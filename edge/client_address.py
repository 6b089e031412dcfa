"""Finds the address of the shopper behind the proxies that we trust.

What is done with the address lives elsewhere: it is hashed by `edge.visitors` and never stored.
"""

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

Network = IPv4Network | IPv6Network
_MAPPED_IPV4 = bytes(10) + b"\xff\xff"


class Peer(NamedTuple):
    """The other end of a connection: its packed address, and whether it is one of our own proxies."""

    address: bytes
    trusted: bool


NOBODY = Peer(b"", trusted=False)


def packed_address(text: str) -> bytes | None:
    """Return 4 or 16 bytes in network order, IPv4-mapped IPv6 unwrapped, or None for anything else.

    A port and the brackets around an IPv6 address, which some proxies add, are dropped; so is a zone.
    """
    try:
        return socket.inet_pton(socket.AF_INET, text)  # nearly always
    except (OSError, ValueError):
        return _packed_from_other_spelling(text)


def _packed_from_other_spelling(host: str) -> bytes | None:
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        if ":" not in host:
            return socket.inet_pton(socket.AF_INET, host)
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED_IPV4) else packed


class ClientAddresses:
    """Names the client of a request: the right-most hop that is not one of our own proxies."""

    def __init__(self, trusted_proxies: Iterable[Network]) -> None:
        self._trusted = [
            (len(network.network_address.packed), int(network.netmask), int(network.network_address))
            for network in trusted_proxies
        ]

    def peer(self, address: str) -> Peer:
        """Judge the other end of a new connection; one without an address, as on a Unix socket, is nobody."""
        packed = packed_address(address)
        return NOBODY if packed is None else Peer(packed, self.is_trusted(packed))

    def client_of(self, peer: Peer, forwarded_for: Sequence[str]) -> bytes:
        """Return the packed address of the client, empty for nobody.

        `forwarded_for` holds every X-Forwarded-For line, in order: a proxy may append a line of its own
        instead of appending to the one that the client made up. An unreadable hop ends the walk, and the
        last readable one before it is the client.
        """
        client, trusted = peer
        if not (trusted and forwarded_for):
            return client
        hops = ",".join(forwarded_for) if len(forwarded_for) > 1 else forwarded_for[0]
        for hop in reversed(hops.split(",")):
            packed = packed_address(hop.strip())
            if packed is None:
                return client
            client = packed
            if not self.is_trusted(client):
                return client
        return client

    def is_trusted(self, packed: bytes) -> bool:
        """Whether a packed address is that of one of our own proxies."""
        number, length = int.from_bytes(packed), len(packed)
        for size, mask, network in self._trusted:  # noqa: SIM110 - a generator costs more than the comparison
            if size == length and number & mask == network:
                return True
        return False
