"""Redis URLs, and the greeting that follows from them."""

import pytest

from millrace.streams.redis_address import RedisAddress


@pytest.mark.parametrize(
    ("url", "address", "greeting"),
    [
        ("redis://h", RedisAddress(host="h"), []),
        ("redis://h:1234/3", RedisAddress(host="h", port=1234, database=3), [("SELECT", "3")]),
        ("redis://[::1]:7/0", RedisAddress(host="::1", port=7), []),
        ("rediss://h", RedisAddress(host="h", tls=True), []),
        ("redis://:p%40ss@h", RedisAddress(host="h", password="p@ss"), [("AUTH", "p@ss")]),
        ("redis://u:p@h", RedisAddress(host="h", username="u", password="p"), [("AUTH", "u", "p")]),
        ("unix:///run/r.sock?db=2", RedisAddress(path="/run/r.sock", database=2), [("SELECT", "2")]),
    ],
)
def test_urls_are_read(url: str, address: RedisAddress, greeting: list[tuple[str, ...]]) -> None:
    """Every form that redis-py takes means the same here."""
    subject = RedisAddress.from_url(url)
    assert subject == address
    assert subject.greeting() == greeting


@pytest.mark.parametrize("url", ["http://h", "h:6379", "redis://h/x", "redis://h:port", ""])
def test_other_urls_are_refused(url: str) -> None:
    """A wrong address shows at start."""
    with pytest.raises(ValueError):  # noqa: PT011 - the standard library words some of them
        RedisAddress.from_url(url)


def test_the_password_is_not_shown() -> None:
    """An address may be logged."""
    assert "hunter2" not in repr(RedisAddress.from_url("redis://:hunter2@h"))
