"""Whole and damaged files of every type of picture."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from server.media.content_types import MAX_FRAMES
from server.media.media import Reason
from server.media.pictures.structure import judge
from tests.unit.media import structure_samples as samples
from tests.unit.media.structure_samples import TYPES, picture


def reason(content: bytes, content_type: str) -> Reason | None:
    """Why the file is refused."""
    rejection = judge(content, content_type)
    return rejection.reason if rejection else None


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK", "I;16", "LA"])
def test_whole_pictures_pass(content_type: str, mode: str) -> None:
    """Whatever an encoder makes of a picture is whole."""
    image = Image.frombytes("RGB", (16, 12), picture("image/png")[:576])
    image = image.convert("L").convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    try:
        content = samples.encoded(image, content_type)
    except (OSError, ValueError):
        pytest.skip("the format has no such pictures")
    assert judge(content, content_type) is None


@pytest.mark.parametrize(
    "options",
    [
        {"progressive": True},
        {"restart_marker_blocks": 1},
        {"comment": b"a day at the sea"},
        {"xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF/></x:xmpmeta>"},
        {"icc_profile": b"p" * 200_000},
        {"exif": b"Exif\0\0" + b"MM\0*" + picture("image/jpeg")},
    ],
    ids=lambda options: next(iter(options)),
)
def test_photos_with_everything_pass(options: dict[str, object]) -> None:
    """Progressive scans, restarts, comments, XMP, long profiles and thumbnails within are part of photos."""
    image = Image.open(io.BytesIO(picture("image/png")))
    assert judge(samples.encoded(image, "image/jpeg", **options), "image/jpeg") is None


@pytest.mark.parametrize(
    "trailer",
    [
        b"\0" * 5000,
        b"\r\n",
        picture("image/jpeg"),
        b"\0" * 16 + picture("image/jpeg"),
        samples.box(b"ftyp", b"isommp42") + samples.box(b"mdat", bytes(range(256)) * 16),
        b"\0\0\x01\n\x0e\0\0\0Image_UTC_Data1609459200000SEFHk\0\0\0\x01\0\0\0SEFT",
    ],
    ids=["zeros", "line end", "second picture", "aligned second picture", "film", "Samsung's"],
)
def test_what_phones_append_passes(trailer: bytes) -> None:
    """Bytes behind a photo are no reason to refuse it."""
    assert judge(picture("image/jpeg") + trailer, "image/jpeg") is None


@pytest.mark.parametrize("content_type", TYPES)
def test_notes_pass(content_type: str) -> None:
    """Comments, texts and unknown parts are taken, and so are zeros at the end."""
    note = b"For <you> & me: 100 % pure, PK, MZ, #1; see https://example.org/?q=1"
    assert judge(samples.with_note(content_type, note) + b"\0\0\0\0", content_type) is None


@pytest.mark.parametrize("content_type", TYPES)
def test_every_truncation_is_found(content_type: str) -> None:
    """A file that was cut anywhere, if only by its last byte, is called truncated."""
    content = picture(content_type)
    cuts = {length: reason(content[:length], content_type) for length in range(len(content))}
    assert {length: found for length, found in cuts.items() if found is not Reason.TRUNCATED} == {}


@pytest.mark.parametrize("content_type", samples.ANIMATED)
def test_truncated_animations_are_found(content_type: str) -> None:
    """So is a cut animation, though its first frame is whole."""
    content = samples.animation(content_type, 3)
    lengths = [*range(0, len(content), 7), *range(len(content) - 20, len(content))]
    assert {reason(content[:length], content_type) for length in lengths} == {Reason.TRUNCATED}


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"just some text\n" * 10, "text"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"<?xml version='1.0'?><!-- x --><svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"PK\x03\x04" + b"\0" * 40, "a ZIP archive"),
        (b"%PDF-1.7\n" + b"\0" * 40, "a PDF document"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "a HEIC picture"),
        (b"\0" * 64, "nothing known"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_wrong_magic(content_type: str, content: bytes, words: str) -> None:
    """A file that does not begin like its type is refused by the name of what it looks like."""
    rejection = judge(content, content_type)
    assert rejection is not None
    assert (rejection.reason, words in rejection.detail) == (Reason.WRONG_TYPE, True)


@pytest.mark.parametrize("declared", TYPES)
@pytest.mark.parametrize("actual", TYPES)
def test_pictures_under_another_type(declared: str, actual: str) -> None:
    """A picture passes as its own type only."""
    expected = None if declared == actual else Reason.WRONG_TYPE
    assert reason(picture(actual), declared) is expected


@pytest.mark.parametrize("content_type", samples.ANIMATED)
def test_frames(content_type: str) -> None:
    """Animations pass up to their longest, and not a frame beyond."""
    assert reason(samples.animation(content_type, MAX_FRAMES), content_type) is None
    assert reason(samples.animation(content_type, MAX_FRAMES + 1), content_type) is Reason.TOO_MANY_FRAMES


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (50_000, 1_000, None),
        (50_000, 1_001, Reason.TOO_MANY_PIXELS),
        (50_000, 50_000, Reason.TOO_MANY_PIXELS),
        (65_535, 1, None),
        (65_536, 1, Reason.TOO_MANY_PIXELS),
        (2**31, 2**31, Reason.TOO_MANY_PIXELS),
        (0, 1, Reason.BROKEN),
        (1, 0, Reason.BROKEN),
    ],
)
def test_sizes(width: int, height: int, expected: Reason | None) -> None:
    """What the header says is enough to refuse a picture that is too large, or empty."""
    content = samples.png_with(b"tEXt", b"a\0b", width=width, height=height)
    assert reason(content, "image/png") is expected


@pytest.mark.parametrize(
    ("content_type", "place", "layout"),
    [
        ("image/jpeg", b"\xff\xc0\x00\x11\x08", ">HH"),
        ("image/gif", b"GIF87a", "<HH"),
        ("image/webp", b"\x9d\x01\x2a", "<HH"),
        ("image/avif", b"ispe\0\0\0\0", ">II"),
    ],
)
def test_sizes_in_other_headers(content_type: str, place: bytes, layout: str) -> None:
    """Every type's header is read: of sides that are allowed, the product is what counts."""
    content = picture(content_type)
    at = content.index(place) + len(place)
    for sides, expected in (((16_000, 16_000), Reason.TOO_MANY_PIXELS), ((0, 9), Reason.BROKEN)):
        sized = struct.pack(layout, *sides)
        assert reason(content[:at] + sized + content[at + len(sized) :], content_type) is expected


def test_a_frame_beyond_the_canvas() -> None:
    """A frame counts as far as it reaches: decoders enlarge their canvas for it."""
    content = picture("image/gif")
    at = content.index(b"\x2c\0\0\0\0") + 1
    far = content[:at] + struct.pack("<HHHH", 60_000, 60_000, 48, 32) + content[at + 8 :]
    assert reason(far, "image/gif") is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (b"\xff\xc1\x00\x11\x0c", "12 bits"),
        (b"\xff\xc3\x00\x11\x08", "lossless"),
        (b"\xff\xc9\x00\x11\x08", None),
    ],
)
def test_codings_of_jpeg_that_no_decoder_reads(frame: bytes, said: str | None) -> None:
    """They are refused by their name; arithmetic coding, which decoders read, is not."""
    rejection = judge(picture("image/jpeg").replace(b"\xff\xc0\x00\x11\x08", frame), "image/jpeg")
    assert (rejection is None) if said is None else (rejection is not None and said in rejection.detail)
