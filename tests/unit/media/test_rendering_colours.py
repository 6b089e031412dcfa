"""Every mode that a file can have comes out in the sRGB colours that it means."""

import struct
from collections.abc import Sequence

import pytest
from PIL import Image, ImageCms

from server.media.pictures.colours import resizable
from server.media.pictures.profiles import to_srgb_by_profile
from server.media.recipes import Recipe
from tests.unit.media.icc_profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    grey_ink_profile,
    linear_grey_profile,
    matrix_profile,
    srgb_of,
)
from tests.unit.media.picture_samples import (
    RED,
    assert_close,
    file_of,
    pixels,
    png,
    quadrants,
)

_HALF = Recipe(name="half", width=24, fit="inside", format="png")


def test_cmyk_without_profile_is_ink_on_white() -> None:
    """Full cyan lets no red through; black ink darkens all."""
    file = file_of(Image.new("CMYK", (32, 32), (255, 0, 0, 0)), "JPEG", quality=95)
    assert_close(pixels(file, "image/jpeg").getpixel((9, 9)), (0, 255, 255), within=3)
    file = file_of(Image.new("CMYK", (32, 32), (0, 128, 255, 64)), "JPEG", quality=95)
    assert_close(pixels(file, "image/jpeg", _HALF).getpixel((9, 9)), (191, 95, 0), within=4)


def test_ycck_is_read_as_the_cmyk_that_it_encodes() -> None:
    """Photoshop's JPEGs for print: luminance and colour differences of inverted inks."""
    # 127 of each ink and 31 of black; Pillow inverts what it writes, and says that it is CMYK.
    channels = Image.new("CMYK", (32, 32), (255 - 128, 255 - 128, 255 - 128, 31))
    file = bytearray(file_of(channels, "JPEG", quality=95))
    transform = file.index(b"Adobe") + 11
    assert file[transform] == 0
    file[transform] = 2
    # (255 - 127) * (255 - 31) / 255
    assert_close(pixels(bytes(file), "image/jpeg").getpixel((9, 9)), (112, 112, 112), within=3)


@pytest.mark.parametrize("value", [0, 1000, 32_768, 51_400, 65_535])
def test_sixteen_bits_of_grey_are_scaled(value: int) -> None:
    """Not cut off at 255, which would make all but the darkest white."""
    file = png((4, 4), 16, 0, struct.pack(">H", value) * 16)
    grey = round(value / 257)
    assert_close(pixels(file, "image/png").getpixel((1, 1)), (grey, grey, grey), within=1)


def test_sixteen_bits_of_colour_and_alpha() -> None:
    """RGB, RGBA and grey with alpha, each of 16 bits a channel."""
    rgb = png((4, 4), 16, 2, struct.pack(">3H", 0xFFFF, 0x8000, 0x0100) * 16)
    assert_close(pixels(rgb, "image/png").getpixel((1, 1)), (255, 128, 1), within=1)
    rgba = png((4, 4), 16, 6, struct.pack(">4H", 0xFFFF, 0x8000, 0x0100, 0x4000) * 16)
    assert_close(pixels(rgba, "image/png").getpixel((1, 1)), (255, 128, 1, 64), within=1)
    grey = png((4, 4), 16, 4, struct.pack(">2H", 0xC000, 0x4000) * 16)
    assert_close(pixels(grey, "image/png").getpixel((1, 1)), (192, 192, 192, 64), within=1)


@pytest.mark.parametrize(
    ("depth", "colour_type", "rows", "transparent"),
    [
        (1, 0, b"\x40", b"\0\1"),
        (2, 0, b"\x30", b"\0\3"),
        (4, 0, b"\x0f", b"\0\x0f"),
        (8, 0, b"\x07\xff", b"\0\xff"),
        (16, 0, b"\x12\x00\x12\x34", b"\x12\x34"),
        (8, 2, b"\1\2\3\xff\0\xff", b"\0\xff\0\0\0\xff"),
        (16, 2, b"\1\2\3\4\5\6\x12\x34\0\0\xff\xff", b"\x12\x34\0\0\xff\xff"),
    ],
)
def test_transparent_colour_of_a_png(depth: int, colour_type: int, rows: bytes, transparent: bytes) -> None:
    """The second of two pixels has it, in greys of every depth and in colours; the first is opaque."""
    image = pixels(png((2, 1), depth, colour_type, rows, tRNS=transparent), "image/png")
    assert image.mode == "RGBA"
    assert [alpha for *_, alpha in (image.getpixel((0, 0)), image.getpixel((1, 0)))] == [255, 0]  # type: ignore[misc]


@pytest.mark.parametrize(("transparent", "alphas"), [(b"\xff\x00", [255, 0]), (b"\x80\x20", [128, 32])])
def test_palette_with_transparency(transparent: bytes, alphas: Sequence[int]) -> None:
    """One colour that is not seen, or an alpha for each."""
    palette = bytes((*RED, 9, 8, 7))
    image = pixels(png((2, 1), 8, 3, b"\0\1", PLTE=palette, tRNS=transparent), "image/png")
    assert [image.getpixel((at, 0)) for at in (0, 1)] == [(*RED, alphas[0]), (9, 8, 7, alphas[1])]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "I;16"])
def test_metadata_is_dropped_with_the_mode(mode: str) -> None:
    """It is not carried through all that follows, to be dropped at the end."""
    image = Image.new(mode, (4, 4))
    image.info = {"exif": b"Exif", "comment": b"secret"}
    assert resizable(image).info == {}


def test_palettes_are_resized_as_colours() -> None:
    """Not as numbers of colours, among which nothing lies between black and white."""
    rows = b"\0\1" * 24 * 32
    file = png((48, 32), 8, 3, rows, PLTE=bytes((0, 0, 0, 255, 255, 255)))
    assert_close(pixels(file, "image/png", _HALF).getpixel((12, 8)), (127, 127, 127), within=2)


@pytest.mark.parametrize(
    ("mode", "colour", "shown"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 99, (99, 99, 99)),
        ("LA", (99, 255), (99, 99, 99)),
        ("LA", (99, 77), (99, 99, 99, 77)),
        ("RGBA", (*RED, 255), RED),
        ("RGBA", (*RED, 77), (*RED, 77)),
    ],
)
def test_greys_and_alpha_come_out_exactly(mode: str, colour: int, shown: Sequence[int]) -> None:
    """Alpha stays only where a pixel is not opaque."""
    file = file_of(Image.new(mode, (32, 32), colour), "PNG")
    assert pixels(file, "image/png").getpixel((9, 9)) == shown


def test_transparent_neighbours_leave_no_fringe() -> None:
    """A red disc on transparent green stays red at its edge, as colours are weighed by their alpha."""
    image = Image.new("RGBA", (96, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 33, 64))
    edge = pixels(file_of(image, "PNG"), "image/png", _HALF).getpixel((8, 8))
    assert isinstance(edge, tuple)
    assert 0 < edge[3] < 255
    assert_close(edge[:3], (255, 0, 0), within=4)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("colorants", [ADOBE_RGB, DISPLAY_P3])
@pytest.mark.parametrize("colour", [(200, 60, 60), (60, 190, 90), (70, 80, 200), (128, 128, 128)])
def test_wide_gamut_comes_out_at_its_srgb_value(
    colour: tuple[int, int, int], colorants: Sequence[Sequence[float]], format_: str
) -> None:
    """By the formula of matrix profiles; the numbers alone would look dull."""
    options = {"lossless": True} if format_ == "WEBP" else {"quality": 97}
    profile = matrix_profile(colorants)
    file = file_of(Image.new("RGB", (32, 32), colour), format_, icc_profile=profile, **options)
    expected = srgb_of(colour, colorants)
    assert max(abs(a - b) for a, b in zip(colour, expected, strict=True)) > 5 or len(set(colour)) == 1
    found = pixels(file, f"image/{format_.lower()}", Recipe(name="s", width=16, format="png")).getpixel(
        (5, 5)
    )
    assert_close(found, expected, within=4)


def test_greys_and_inks_go_by_their_own_profiles() -> None:
    """Half of the light is 188 of 255 in sRGB; CIELAB 50 is 119."""
    grey = file_of(Image.new("L", (32, 32), 128), "PNG", icc_profile=linear_grey_profile())
    assert_close(pixels(grey, "image/png").getpixel((5, 5)), (188, 188, 188), within=1)
    see_through = file_of(Image.new("LA", (32, 32), (128, 9)), "PNG", icc_profile=linear_grey_profile())
    assert_close(pixels(see_through, "image/png").getpixel((5, 5)), (188, 188, 188, 9), within=1)
    inks = file_of(Image.new("CMYK", (32, 32), (9, 200, 30, 0)), "JPEG", icc_profile=grey_ink_profile())
    assert_close(pixels(inks, "image/jpeg").getpixel((5, 5)), (119, 119, 119), within=2)


def test_profile_leaves_alpha_alone() -> None:
    """Colours change, opacity does not."""
    profile = matrix_profile(ADOBE_RGB)
    file = file_of(Image.new("RGBA", (32, 32), (60, 190, 90, 130)), "PNG", icc_profile=profile)
    expected = (*srgb_of((60, 190, 90), ADOBE_RGB), 130)
    assert_close(pixels(file, "image/png").getpixel((5, 5)), expected, within=3)


def test_srgb_profile_changes_nothing() -> None:
    """Not even by a rounding: it is recognised by what it does."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = quadrants(colours=((1, 2, 3), (77, 130, 9), (250, 3, 99), (20, 20, 21)))
    assert pixels(file_of(image, "PNG", icc_profile=profile), "image/png").tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", ["L", "LA", "1", "RGB", "RGBA", "P"])
@pytest.mark.parametrize("kind", [b"RGB ", b"GRAY", b"CMYK", b"Lab ", b"2CLR", b"FCLR"])
def test_profile_of_other_colours_is_ignored(mode: str, kind: bytes) -> None:
    """As if the picture had none; such a profile never gets as far as the transform."""
    if (kind == b"RGB ") == (mode in ("RGB", "RGBA", "P")):
        kind = b"YCbr"
    profile = matrix_profile(ADOBE_RGB)
    strange = profile[:16] + kind + profile[20:]
    image = quadrants().convert(mode)
    with_profile = pixels(file_of(image, "PNG", icc_profile=strange), "image/png")
    assert with_profile.tobytes() == pixels(file_of(image, "PNG"), "image/png").tobytes()


@pytest.mark.parametrize(
    ("mode", "profile"), [("L", "RGB "), ("CMYK", "RGB "), ("RGB", "GRAY"), ("RGB", "CMYK")]
)
def test_profile_that_does_not_fit_never_reaches_the_transform(
    mode: str, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it may write outside of its buffers before it finds out."""
    made = {"RGB ": matrix_profile(ADOBE_RGB), "GRAY": linear_grey_profile(), "CMYK": grey_ink_profile()}
    built: list[object] = []
    monkeypatch.setattr(ImageCms, "ImageCmsTransform", lambda *given, **_: built.append(given))
    assert to_srgb_by_profile(Image.new(mode, (4, 4)), made[profile]) is None
    assert built == []


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_rgb_profile_counts_only_for_rgb(mode: str) -> None:
    """CMYK and greys with it are shown as without."""
    image = quadrants().convert(mode)
    plain = file_of(image, "JPEG", quality=95)
    profiled = file_of(image, "JPEG", quality=95, icc_profile=matrix_profile(ADOBE_RGB))
    same = pixels(plain, "image/jpeg").tobytes() == pixels(profiled, "image/jpeg").tobytes()
    assert same == (mode != "RGB")


@pytest.mark.parametrize("cut", [0, 1, 100, 128, 140, 200, 300])
def test_broken_profile_is_ignored(cut: int) -> None:
    """Cut off anywhere, or no profile at all."""
    image = quadrants()
    broken = (matrix_profile(ADOBE_RGB)[:cut] or b"?").ljust(cut + 5, b"\xee")
    assert pixels(file_of(image, "PNG", icc_profile=broken), "image/png").tobytes() == image.tobytes()
