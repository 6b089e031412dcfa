"""A click as a row of the clicks table, in COPY's binary format, columns in the order of CLICK_COLUMNS."""

from __future__ import annotations

import struct
from typing import Final

from millrace.streams.records import Click
from server.affiliate.click_columns import CLICK_COLUMNS
from workers.drain.copy_format import country_bytes, instant, packed_texts

_COLUMNS: Final = len(CLICK_COLUMNS)
# The number of columns, then click_id … country, each behind its length.
_pack_fixed = struct.Struct(">h i16s i16s i16s iq i? i? i8s i2s".replace(" ", "")).pack


def copy_row(click: Click) -> bytes:
    """The row of a click.

    Raises ValueError for a country of other than two bytes, and for text that has no UTF-8.
    """
    return _pack_fixed(
        _COLUMNS,
        16,
        click.click_id,
        16,
        click.link_id,
        16,
        click.partner_id,
        8,
        instant(click.at_ms),
        1,
        click.human,
        1,
        click.human and click.unique,  # a bot's flag would be the edge's wish; rollups do not count it either
        8,
        click.visitor,
        2,
        country_bytes(click.country),
    ) + packed_texts(click.device, click.product_id, click.referrer_host)
