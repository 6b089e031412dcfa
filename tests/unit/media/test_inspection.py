"""What length and first bytes say against an upload."""

import io
import struct
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from server.media.inspection import START_BYTES, dimensions, judge_length, judge_start, type_of
from server.media.media import Reason
from server.media.pictures.avif import know_avif

know_avif()
FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/gif": "GIF",
}
TYPES = sorted(FORMATS)


def file_of(content_type: str, **options: object) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(written, FORMATS[content_type], **options)
    return written.getvalue()


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


@pytest.mark.parametrize("declared", TYPES)
@pytest.mark.parametrize("sent", TYPES)
def test_the_declared_type_has_to_be_that_of_the_bytes(sent: str, declared: str) -> None:
    """Bytes of one type that were declared as another are refused, whichever the two are."""
    rejection = judge_start(file_of(sent), declared)
    if sent == declared:
        assert rejection is None
        return
    assert rejection is not None
    assert rejection.reason is Reason.WRONG_TYPE
    assert sent in rejection.detail
    assert declared in rejection.detail


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\xff",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"MZ\x90\0",
        b"PK\x03\x04",
        b"GIF88a" + bytes(20),
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\x89PNG\n\x1a\n\0",
        b"just text",
    ],
)
def test_other_bytes_are_of_no_type_that_is_taken(start: bytes) -> None:
    """Documents, archives, programs, texts, other containers and damaged magic bytes are refused."""
    assert type_of(start) is None
    rejection = judge_start(start, "image/gif")
    assert rejection is not None
    assert rejection.reason is Reason.WRONG_TYPE


def test_a_compatible_brand_makes_an_avif() -> None:
    """A file whose major brand is a general one is AVIF by its compatible brands; the version is no brand."""
    assert type_of(box(b"ftyp", b"mif1" + bytes(4) + b"miafavif")) == "image/avif"
    assert type_of(box(b"ftyp", b"mif1" + b"avif" + b"miafheic")) is None


@pytest.mark.parametrize("content_type", TYPES)
def test_dimensions_come_from_the_header(content_type: str) -> None:
    """Of every type the first bytes tell width and height."""
    assert dimensions(file_of(content_type), content_type) == (30, 20)


def test_dimensions_are_those_stored() -> None:
    """An EXIF orientation that turns the picture changes nothing here."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert dimensions(file_of("image/jpeg", exif=exif), "image/jpeg") == (30, 20)


def test_lossless_and_extended_webp_tell_their_dimensions() -> None:
    """WebP has three kinds of headers."""
    assert dimensions(file_of("image/webp", lossless=True), "image/webp") == (30, 20)
    assert dimensions(file_of("image/webp", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"), "image/webp") == (30, 20)


def test_the_wish_to_be_shown_larger_is_no_dimension() -> None:
    """The upper bits of a lossy WebP's sides are not part of them."""
    start = bytearray(file_of("image/webp"))
    start[27] |= 0x40
    start[29] |= 0x80
    assert dimensions(bytes(start), "image/webp") == (30, 20)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def jpeg(width: int, height: int) -> bytes:
    return b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 8, 8, height, width, 3)


@pytest.mark.parametrize(
    ("start", "content_type", "reason"),
    [
        (png_header(50_000, 50_000), "image/png", Reason.TOO_MANY_PIXELS),
        (png_header(65_536, 1), "image/png", Reason.TOO_MANY_PIXELS),
        (png_header(1, 65_536), "image/png", Reason.TOO_MANY_PIXELS),
        (png_header(0xFFFFFFFF, 0xFFFFFFFF), "image/png", Reason.TOO_MANY_PIXELS),
        (png_header(10_000, 5_001), "image/png", Reason.TOO_MANY_PIXELS),
        (png_header(10_000, 5_000), "image/png", None),
        (png_header(65_535, 762), "image/png", None),
        (png_header(0, 10), "image/png", Reason.BROKEN),
        (gif(65_535, 65_535), "image/gif", Reason.TOO_MANY_PIXELS),
        (gif(40_000, 40_000), "image/gif", Reason.TOO_MANY_PIXELS),
        (gif(40_000, 10), "image/gif", None),
        (gif(0, 0), "image/gif", Reason.BROKEN),
        (jpeg(65_535, 65_535), "image/jpeg", Reason.TOO_MANY_PIXELS),
        (jpeg(65_535, 700), "image/jpeg", None),
        (jpeg(0, 10), "image/jpeg", Reason.BROKEN),
        (b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\xff\xff\xff" * 2, "image/webp", Reason.TOO_MANY_PIXELS),
    ],
)
def test_pixels_are_bounded_before_anything_is_decoded(
    start: bytes, content_type: str, reason: Reason | None
) -> None:
    """Over 50 megapixels, over 65,535 a side, and no pixels at all are refused; the bounds are not."""
    rejection = judge_start(start, content_type)
    assert (rejection and rejection.reason) == reason


def test_dimensions_that_stand_further_back_are_left_to_the_decoder() -> None:
    """A JPEG with more metadata than is looked at is not refused for it."""
    metadata = b"\xff\xe2" + struct.pack(">H", 65_000) + bytes(64_998)
    whole = b"\xff\xd8" + metadata * 2 + jpeg(50_000, 50_000)[2:]
    assert judge_start(whole[:START_BYTES], "image/jpeg") is None


def test_a_length_is_the_declared_one_or_refused() -> None:
    """One byte more or less is another file."""
    assert judge_length(10, 10) is None
    for found in (0, 9, 11):
        rejection = judge_length(found, 10)
        assert rejection is not None
        assert rejection.reason is Reason.SIZE_MISMATCH


MAGICS = [file_of(content_type)[:size] for content_type in TYPES for size in (12, 16, 24, 30)]


@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=600), content_type=st.sampled_from(TYPES))
def test_no_bytes_make_judging_fail(magic: bytes, rest: bytes, content_type: str) -> None:
    """Whatever follows the magic bytes, there is an answer."""
    judge_start(magic + rest, content_type)


@given(content_type=st.sampled_from(TYPES), at=st.integers(0, 400), flips=st.binary(min_size=1, max_size=8))
def test_no_damage_makes_judging_fail(content_type: str, at: int, flips: bytes) -> None:
    """A file with some bytes replaced is judged like any other."""
    damaged = bytearray(file_of(content_type))
    at %= len(damaged)
    damaged[at : at + len(flips)] = flips
    judge_start(bytes(damaged), content_type)


def crafted() -> dict[str, tuple[str, bytes]]:
    """Headers that lead on and on."""
    ipma = box(b"ipma", bytes(4) + struct.pack(">I", 200) + (b"\0\1\xff" + b"\1" * 255) * 200)
    ispe = box(b"ipco", box(b"ispe", bytes(4) + struct.pack(">II", 7, 8)))
    item = box(b"pitm", b"\0\0\0\0\0\1")
    return {
        "segments": ("image/jpeg", b"\xff\xd8" + b"\xff\xe1\0\2" * 20_000),
        "restarts": ("image/jpeg", b"\xff\xd8\xff" + b"\xd0\xff" * 40_000),
        "associations": (
            "image/avif",
            box(b"ftyp", b"avif" + bytes(4)) + box(b"meta", bytes(4) + item + box(b"iprp", ispe + ipma)),
        ),
        "boxes": ("image/avif", box(b"ftyp", b"avif" + bytes(4)) + box(b"free", b"") * 9_000),
    }


@pytest.mark.parametrize("name", crafted())
def test_crafted_headers_cost_little(name: str) -> None:
    """Headers made to be walked for long are judged in less than half a second of this process's time."""
    content_type, start = crafted()[name]
    began = time.process_time()
    judge_start(start * 20, content_type)
    assert time.process_time() - began < 0.5
