"""Placeholders tell colours: the ThumbHash the mean one, the dominant colour the most frequent one."""

import random

import pytest
import thumbhash  # type: ignore[import-untyped]  # has none
from PIL import Image

from server.media.pictures.placeholders import SMALL_SIDE, dominant_colour
from server.media.pictures.thumb_hashes import thumb_hash_of
from tests.unit.media.picture_samples import BLUE, GREEN, RED, assert_close, file_of, quadrants, rendered


def _average(content: bytes) -> tuple[int, ...]:
    found = thumbhash.thumb_hash_to_average_rgba(list(content))
    return tuple(round(255 * channel) for channel in found)


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (32, 7), (3, 32), (1, 32), (31, 30)])
def test_thumb_hash_is_that_of_the_known_encoder(size: tuple[int, int]) -> None:
    """Byte for byte, for pictures without transparency, which that encoder knows."""
    chance = random.Random(5)  # noqa: S311 - the same in every run
    for _ in range(3):
        image = Image.frombytes("RGB", size, chance.randbytes(size[0] * size[1] * 3))
        pixels = image.convert("RGBA").tobytes()
        assert thumb_hash_of(*size, pixels) == bytes(thumbhash.rgba_to_thumb_hash(*size, list(pixels)))


@pytest.mark.parametrize("colour", [RED, (0, 0, 0), (255, 255, 255), (255, 0, 255), (127, 127, 127)])
def test_thumb_hash_of_a_plain_picture_has_no_waves(colour: tuple[int, int, int]) -> None:
    """Sums that only rounding keeps from zero are zero, so that the same picture has one hash."""
    found = thumb_hash_of(31, 17, bytes((*colour, 255)) * (31 * 17))
    assert found[5:] == bytes(len(found) - 5)
    assert_close(_average(found), (*colour, 255), within=5)


def test_thumb_hash_decodes_to_the_average_colour() -> None:
    """Of the whole picture, through all that is done to it."""
    image = quadrants(300, 200)
    answer = rendered(file_of(image, "PNG"), "image/png")
    average = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(average, tuple)
    assert_close(_average(answer.thumbhash), (*average, 255), within=5)
    assert thumbhash.thumb_hash_to_approximate_aspect_ratio(list(answer.thumbhash)) == pytest.approx(1.4)


def test_thumb_hash_of_transparency() -> None:
    """The colour is that of what is seen, and alpha is told beside it."""
    image = Image.new("RGBA", (32, 32), (0, 255, 0, 0))
    image.paste((*BLUE, 255), (0, 0, 32, 16))
    found = _average(thumb_hash_of(32, 32, image.tobytes()))
    assert_close(found[:3], BLUE, within=6)
    assert found[3] == pytest.approx(128, abs=9)
    nothing = thumb_hash_of(8, 8, bytes(8 * 8 * 4))
    assert _average(nothing)[3] == 0


@pytest.mark.parametrize("colour", [RED, (255, 0, 0), (0, 0, 0), (127, 128, 129)])
def test_dominant_colour_of_a_plain_picture_is_exact(colour: tuple[int, int, int]) -> None:
    """As the number says it."""
    answer = rendered(file_of(Image.new("RGB", (300, 200), colour), "PNG"), "image/png")
    assert answer.dominant_color == "#{:02x}{:02x}{:02x}".format(*colour)


def test_dominant_colour_is_the_most_frequent_not_the_mean() -> None:
    """Of two fifths red, 30 percent green and 30 percent blue it is red."""
    image = Image.new("RGB", (200, 100), RED)
    image.paste(GREEN, (80, 0, 140, 100))
    image.paste(BLUE, (140, 0, 200, 100))
    found = rendered(file_of(image, "PNG"), "image/png").dominant_color
    assert_close(tuple(bytes.fromhex(found[1:])), RED, within=6)


def test_transparent_pixels_do_not_count() -> None:
    """Though they are most of the picture; and what has no other pixels is white."""
    image = Image.new("RGBA", (100, 100), (*RED, 0))
    image.paste((*GREEN, 255), (0, 0, 30, 100))
    found = rendered(file_of(image, "PNG"), "image/png").dominant_color
    assert_close(tuple(bytes.fromhex(found[1:])), GREEN, within=8)
    assert dominant_colour(Image.new("RGBA", (SMALL_SIDE, SMALL_SIDE), (*RED, 0))) == "#ffffff"
