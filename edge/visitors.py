"""Turns a client address into keyed hashes that forget the visitor after a day.

The address itself goes no further than this module; how uniques are counted with the hashes is the
business of the Redis Function.
"""

import hmac
from hashlib import blake2b, sha256
from typing import NamedTuple

SECONDS_A_DAY = 86_400
VISITOR_BYTES = 8
MARK_BYTES = 9  # two for the bucket, seven for the field in it


class VisitorMarks(NamedTuple):
    """What is kept of one visitor who clicks one link on one day.

    A mark says where a click is noted for the dedupe: a bucket (0 to 65,535) and a field in it (7 bytes).
    """

    visitor: bytes  # 8 bytes, the same for every link on this day
    bucket_today: int
    field_today: bytes
    bucket_yesterday: int
    field_yesterday: bytes


class VisitorHashes:
    """Hashes clients under keys of a UTC day, derived with HKDF-SHA256 from one secret.

    Day numbers count from the Unix epoch. A key cannot be had from another day's key, so when the secret
    is changed or forgotten nothing links a stored hash to an address.
    """

    def __init__(self, secret: bytes) -> None:
        # RFC 5869, extract step, with a fixed salt: it separates these keys from other uses of the secret.
        self._extracted = hmac.digest(b"millrace visitor", secret, sha256)
        self._take_keys(0)

    def marks(self, link_id: bytes, network: bytes, day: int) -> VisitorMarks:
        """Return what stands for this visitor under the keys of `day` and of the day before."""
        if day != self._day:
            self._take_keys(day)
        # Keyed once a day: copying a keyed hash costs half of keying a new one.
        visitor, today, yesterday = self._visitor.copy(), self._today.copy(), self._yesterday.copy()
        visitor.update(network)
        click = link_id + network
        today.update(click)
        yesterday.update(click)
        now, before = today.digest(), yesterday.digest()
        return VisitorMarks(
            visitor.digest(), now[0] << 8 | now[1], now[2:], before[0] << 8 | before[1], before[2:]
        )

    def visitor(self, network: bytes, day: int) -> bytes:
        """Return the 8 bytes that stand for this visitor on `day`, as in its marks."""
        if day != self._day:
            self._take_keys(day)
        visitor = self._visitor.copy()
        visitor.update(network)
        return visitor.digest()

    def _take_keys(self, day: int) -> None:
        self._day = day
        today, yesterday = self._key_of(day), self._key_of(day - 1)
        self._visitor = blake2b(key=today, digest_size=VISITOR_BYTES)
        self._today = blake2b(key=today, digest_size=MARK_BYTES)
        self._yesterday = blake2b(key=yesterday, digest_size=MARK_BYTES)

    def _key_of(self, day: int) -> bytes:
        # RFC 5869, expand step: one block is all the key that BLAKE2b needs.
        return hmac.digest(self._extracted, b"day %d\x01" % day, sha256)


def visitor_network(address: bytes) -> bytes:
    """Return what identifies a household: an IPv4 address whole, an IPv6 address by its /64."""
    return address if len(address) == 4 else address[:8]
