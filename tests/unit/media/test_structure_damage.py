"""Files that nobody's encoder made: damage, impossible numbers, chance, and what takes time to walk."""

from __future__ import annotations

import os
import random
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.media.content_types import MAX_BYTES
from server.media.media import Reason
from server.media.pictures.structure import judge
from tests.unit.media import structure_samples as samples
from tests.unit.media.structure_samples import TYPES, box, picture, png_chunk

STARTS = {kind: picture(kind)[:16] for kind in TYPES}
GIF_HEADER = b"GIF89a" + struct.pack("<HH", 9, 9) + b"\0\0\0"
GIF_FRAME = b"\x2c" + struct.pack("<HHHH", 0, 0, 9, 9) + b"\0\x02"
PNG_START = picture("image/png")[:33]
AVIF_START = box(b"ftyp", b"avif\0\0\0\0avif")


def reason(content: bytes, content_type: str) -> Reason | None:
    """Why the file is refused."""
    rejection = judge(content, content_type)
    return rejection.reason if rejection else None


def test_every_flipped_bit_of_a_png_is_found() -> None:
    """Not one bit of a PNG file can change unnoticed."""
    content = picture("image/png", (6, 4))
    unnoticed = []
    for position in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        if judge(bytes(damaged), "image/png") is None:
            unnoticed.append(position)
    assert unnoticed == []


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("image/png", PNG_START[:8] + png_chunk(b"tEXt", b"a\0b") + picture("image/png")[8:]),
        ("image/png", PNG_START + PNG_START[8:] + picture("image/png")[33:]),
        ("image/png", PNG_START + png_chunk(b"IEND", b"")),
        ("image/png", PNG_START + b"\xff\xff\xff\xffIDAT" + b"\0" * 32),
        ("image/png", PNG_START + b"\0\0\0\0\0\0\0\0" + b"\0" * 32),
        ("image/jpeg", b"\xff\xd8\xff\xd9"),
        ("image/jpeg", b"\xff\xd8\xff\xe0\0\x01" + picture("image/jpeg")[2:]),
        ("image/jpeg", b"\xff\xd8" + picture("image/jpeg")),
        ("image/jpeg", b"\xff\xd8\xff\xda\0\x08\x01\x01\0\0\x3f\0" + b"\0" * 9 + b"\xff\xd9"),
        ("image/gif", GIF_HEADER + b"\x3b"),
        ("image/gif", GIF_HEADER + b"\x99"),
        ("image/gif", GIF_HEADER + GIF_FRAME[:-1] + b"\x0f\x01\0\0\x3b"),
        ("image/webp", b"RIFF\x04\0\0\0WEBP"),
        ("image/webp", b"RIFF\x0c\0\0\0WEBPVP8 \xff\xff\xff\xff"),
        ("image/webp", b"RIFF\x0c\0\0\0WEBPICCP\0\0\0\0"),
        ("image/webp", samples.webp_with(*(picture("image/webp")[12:16], picture("image/webp")[20:]))),
        ("image/avif", AVIF_START + struct.pack(">I", 7) + b"meta" + b"\0" * 16),
        ("image/avif", AVIF_START + struct.pack(">I4sQ", 1, b"meta", 9) + b"\0" * 16),
    ],
)
def test_impossible_structure(content_type: str, content: bytes) -> None:
    """What no intact file has is called broken."""
    assert reason(content, content_type) is Reason.BROKEN


@pytest.mark.parametrize("size", [2**31, 2**32 - 1])
def test_boxes_beyond_the_end(size: int) -> None:
    """Sizes beyond the end of the file, up to the largest, end the walk."""
    assert (
        reason(AVIF_START + struct.pack(">I", size) + b"meta" + b"\0" * 16, "image/avif") is Reason.TRUNCATED
    )
    large = struct.pack(">I4sQ", 1, b"meta", size << 31)
    assert reason(AVIF_START + large + b"\0" * 16, "image/avif") is Reason.TRUNCATED


def test_endless_sub_blocks() -> None:
    """A chain of blocks that never ends is as long as the file, and no longer."""
    assert reason(GIF_HEADER + GIF_FRAME + b"\x01\x01" * 1000, "image/gif") is Reason.TRUNCATED


@pytest.mark.parametrize("content_type", TYPES)
def test_chance_behind_a_header(content_type: str) -> None:
    """Chance is no picture."""
    chance = random.Random(6)  # noqa: S311 - the same each time
    for length in (4, 100, 5000):
        for _ in range(50):
            assert judge(STARTS[content_type] + chance.randbytes(length), content_type) is not None


@given(
    content_type=st.sampled_from(TYPES),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=9), st.integers(0, 9)), max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_nothing_makes_it_raise(content_type: str, changes: list[tuple[int, bytes, int]]) -> None:
    """Whatever is changed, put in or cut out, there is an answer."""
    content = picture(content_type)
    for place, added, removed in changes:
        at = place % len(content) if content else 0
        content = content[:at] + added + content[at + removed :]
    judge(content, content_type)


@given(content_type=st.sampled_from(TYPES), content=st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_it_raise(content_type: str, content: bytes) -> None:
    """Bytes of any kind behind a right start get an answer."""
    judge(STARTS[content_type] + content, content_type)
    judge(content, content_type)


def _filled(start: bytes, unit: bytes) -> bytes:
    return (start + unit * (MAX_BYTES // len(unit)))[:MAX_BYTES]


def _boxes_within_boxes() -> bytes:
    content = b""
    for _ in range(2000):
        content = box(b"moov", content)
    return AVIF_START + content


SLOW = {
    "restarts": ("image/jpeg", _filled, picture("image/jpeg")[:-2], b"\xff\xd0"),
    "stuffing": ("image/jpeg", _filled, b"\xff\xd8\xff\xe0\0\x02", b"\xff\0"),
    "fill": ("image/jpeg", _filled, b"\xff\xd8", b"\xff"),
    "segments": ("image/jpeg", _filled, b"\xff\xd8", b"\xff\xe0\0\x02"),
    "chunks": ("image/png", _filled, PNG_START, png_chunk(b"IDAT", b"")),
    "sub-blocks": ("image/gif", _filled, GIF_HEADER + GIF_FRAME, b"\x01\x01"),
    "extensions": ("image/gif", _filled, GIF_HEADER, b"\x21\xfe\0"),
    "boxes": ("image/avif", _filled, AVIF_START, box(b"free", b"")),
    "tags behind": ("image/jpeg", _filled, picture("image/jpeg"), b"<svg <html<obj"),
    "code behind": ("image/jpeg", _filled, picture("image/jpeg") + b"x", b"<?=    "),
    "magics behind": ("image/png", _filled, picture("image/png"), b"PK\x03\x04PE\0\0\x7fELF%PDF-"),
    "ends of archives": ("image/gif", _filled, picture("image/gif"), b"PK\x05\x06"),
    "zeros behind": ("image/avif", _filled, picture("image/avif"), b"\0"),
}


@pytest.mark.parametrize("name", SLOW)
def test_the_worst_files_take_little_time(name: str) -> None:
    """25 MiB that were made to be slow are judged in less than a second of computing."""
    content_type, fill, start, unit = SLOW[name]
    content = fill(start, unit)
    began = time.thread_time()
    judge(content, content_type)
    assert time.thread_time() - began < 1.0


def test_deep_boxes() -> None:
    """Boxes within boxes are not followed down."""
    assert reason(_boxes_within_boxes(), "image/avif") is Reason.TRUNCATED


def test_a_large_photo_takes_little_time_and_is_no_polyglot() -> None:
    """25 MiB of what looks like compressed pixels pass, in less than half a second of computing."""
    start = picture("image/jpeg")[:-2]
    scan = os.urandom(MAX_BYTES - len(start) - 100_000).replace(b"\xff", b"\xfe")
    began = time.thread_time()
    assert judge(start + scan + b"\xff\xd9", "image/jpeg") is None
    assert time.thread_time() - began < 0.5
