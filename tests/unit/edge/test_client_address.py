"""The client's address: the right-most hop that is not one of our proxies."""

import socket
from ipaddress import ip_network

import pytest

from edge.client_address import NOBODY, ClientAddresses, packed_address


def v4(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET, text)


def v6(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, text)


@pytest.fixture
def subject() -> ClientAddresses:
    return ClientAddresses([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", [], v4("203.0.113.9")),
        ("203.0.113.9", ["198.51.100.1"], v4("203.0.113.9")),  # a stranger's word counts for nothing
        ("10.0.0.1", [], v4("10.0.0.1")),
        ("10.0.0.1", ["198.51.100.1"], v4("198.51.100.1")),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], v4("198.51.100.1")),  # the left one is the client's claim
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], v4("198.51.100.1")),  # in a line of its own
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2, 10.0.0.3"], v4("198.51.100.1")),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], v4("10.0.0.2")),  # all ours: the first of them
        ("10.0.0.1", ["198.51.100.1, unknown"], v4("10.0.0.1")),  # an unreadable hop ends the walk
        ("10.0.0.1", [""], v4("10.0.0.1")),
        ("10.0.0.1", ["198.51.100.1:4711"], v4("198.51.100.1")),
        ("10.0.0.1", ["[2001:db8::7]:4711"], v6("2001:db8::7")),
        ("fd00::1", ["2001:db8::7"], v6("2001:db8::7")),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], v4("198.51.100.1")),
        ("::ffff:203.0.113.9", ["198.51.100.1"], v4("203.0.113.9")),
    ],
)
def test_client_of(subject: ClientAddresses, peer: str, forwarded_for: list[str], client: bytes) -> None:
    """Walks from the right, past our own proxies only."""
    assert subject.client_of(subject.peer(peer), forwarded_for) == client


def test_a_peer_without_an_address_is_nobody(subject: ClientAddresses) -> None:
    """A Unix socket has no address, and is not trusted."""
    assert subject.peer("") is NOBODY
    assert subject.client_of(NOBODY, ["198.51.100.1"]) == b""


@pytest.mark.parametrize(
    "text", ["", "example.org", "1.2.3", "1.2.3.256", "1.2.3.4.5", "::g", "[", "\x00", "1.2.3.4\x00"]
)
def test_what_is_no_address(text: str) -> None:
    """Gives None, whatever the text is."""
    assert packed_address(text) is None


def test_a_zone_is_dropped() -> None:
    """Link-local addresses may carry one."""
    assert packed_address("fe80::1%eth0") == v6("fe80::1")
