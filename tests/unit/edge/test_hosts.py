"""Valid Host headers."""

import pytest

from edge.hosts import is_valid_host


@pytest.mark.parametrize(
    "host",
    [
        "shop.example",
        "localhost:8080",
        "127.0.0.1",
        "[::1]",
        "[2001:db8::1]:443",
        "[::ffff:192.0.2.1]",
        "a_b",
    ],
)
def test_valid(host: str) -> None:
    """A name or an address, with or without a port."""
    assert is_valid_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a,b",
        "user@host",
        "host:port",
        "host/path",
        "::1",
        "a\n",
        "[::1",
        "[:::::]",
        "[1.2.3.4]",
        "é",
    ],
)
def test_invalid(host: str) -> None:
    """Anything else."""
    assert not is_valid_host(host)
