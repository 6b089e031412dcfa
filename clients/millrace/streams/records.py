"""Stream records: how a click is written into the click stream and read back.

The envelope is a version byte and a flags byte, then msgpack. The flags stand outside the msgpack so that the
Redis function can set the unique flag without decoding the record.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from millrace.streams.ids import id_time_ms

VERSION: Final = 1
HUMAN: Final = 0x01
UNIQUE: Final = 0x02  # functions.lua sets this bit; change both together

Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
VisitorHash = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
CountryCode = Annotated[str, msgspec.Meta(min_length=2, max_length=2)]


class UnknownVersion(ValueError):  # noqa: N818 - named for what is so
    """The record was written by a newer Millrace; leave it pending for a drain that can read it."""

    def __init__(self, version: int) -> None:
        super().__init__(f"record version {version} is not known here")
        self.version = version


class MalformedRecord(ValueError):  # noqa: N818 - named for what is so
    """The bytes are no record of a version known here, and never will be."""


class Click(msgspec.Struct, frozen=True, gc=False):
    """One visit of a link that was answered with a redirect.

    ``at_ms`` is Unix time in milliseconds. ``visitor`` is a hash under a day key, never an address.
    ``country`` is ISO 3166-1 alpha-2, or ``ZZ`` when unknown.
    """

    click_id: bytes
    link_id: bytes
    partner_id: bytes
    product_id: str | None
    at_ms: int
    human: bool
    unique: bool
    visitor: bytes
    device: str
    referrer_host: str | None
    country: str


# The msgpack part: a click without its flags. Fields are positional; a new one means a new VERSION.
_Body: TypeAlias = tuple[
    Id,  # click
    Id,  # link
    Id,  # partner
    str | None,  # product
    int,  # ms from the click id's time: nearly always 0, which takes one byte where a time takes nine
    VisitorHash,
    str,  # device
    str | None,  # referrer host
    CountryCode,
]


_encode_body = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(_Body).decode


def encode_click(click: Click) -> bytes:
    """The record of a click. The unique flag is a wish: the Redis function overwrites it with its verdict."""
    body = _encode_body(
        (
            click.click_id,
            click.link_id,
            click.partner_id,
            click.product_id,
            click.at_ms - id_time_ms(click.click_id),
            click.visitor,
            click.device,
            click.referrer_host,
            click.country,
        )
    )
    flags = (HUMAN if click.human else 0) | (UNIQUE if click.unique else 0)
    return bytes((VERSION, flags)) + body


def decode_click(record: bytes) -> Click:
    """The click of a record; raises UnknownVersion or MalformedRecord, nothing else."""
    if len(record) < 3:
        raise MalformedRecord(f"a record of {len(record)} bytes is too short")
    version, flags = record[0], record[1]
    if version != VERSION:
        if version == 0:
            raise MalformedRecord("record version 0 was never written")
        raise UnknownVersion(version)
    if flags & ~(HUMAN | UNIQUE):
        raise MalformedRecord(f"unknown flags {flags:#04x}")
    try:
        click_id, link_id, partner_id, product_id, after_ms, visitor, device, referrer_host, country = (
            _decode_body(record[2:])
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRecord(str(error)) from error
    return Click(
        click_id,
        link_id,
        partner_id,
        product_id,
        id_time_ms(click_id) + after_ms,
        flags & HUMAN != 0,
        flags & UNIQUE != 0,
        visitor,
        device,
        referrer_host,
        country,
    )
