"""Variants have the size, format, quality and pixels that their recipes ask for."""

import io
import math

import pytest
from PIL import Image, ImageChops, ImageStat

from server.media.pictures.fitting import Size, plan
from server.media.recipes import DEFAULT_SETS, Fit, Format, Recipe
from tests.unit.media.picture_samples import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    assert_close,
    file_of,
    noise,
    opened,
    pixels,
    quadrants,
    rendered,
)

_FORMATS: tuple[Format, ...] = ("webp", "jpeg", "png", "avif")
_FITS: tuple[Fit, ...] = ("cover", "contain", "fill", "inside", "outside")


@pytest.mark.parametrize("format_", _FORMATS)
def test_each_format_is_written(format_: Format) -> None:
    """In its own bytes, with the colours of the picture."""
    recipe = Recipe(name="x", width=40, height=40, fit="fill", format=format_, quality=90)
    image = pixels(file_of(quadrants(80, 80), "PNG"), "image/png", recipe)
    assert image.mode == "RGB"
    for place, colour in (((9, 9), RED), ((30, 9), GREEN), ((9, 30), BLUE), ((30, 30), YELLOW)):
        assert_close(image.getpixel(place), colour, within=9)


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"])
@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (7, 5)])
def test_tiny_and_narrow_pictures_work(content_type: str, size: tuple[int, int]) -> None:
    """With the usual set, whose variants are never larger than the picture."""
    file = file_of(Image.new("RGB", size, (200, 200, 200)), content_type.removeprefix("image/").upper())
    answer = rendered(file, content_type, *DEFAULT_SETS["product"])
    assert (answer.width, answer.height) == size
    for variant in answer.variants:
        image = opened(variant).convert("RGB")
        assert_close(image.getpixel((image.width // 2, image.height // 2)), (200, 200, 200), within=4)
        assert image.width <= size[0]
        assert image.height <= size[1]


@pytest.mark.parametrize("fit", _FITS)
@pytest.mark.parametrize("upscale", [False, True])
def test_every_fit_has_the_planned_size(fit: Fit, upscale: bool) -> None:
    """Enlarged only when asked."""
    recipe = Recipe(name="x", width=90, height=60, fit=fit, upscale=upscale, format="png")
    image = pixels(file_of(quadrants(48, 48), "PNG"), "image/png", recipe)
    assert image.size == plan(Size(48, 48), recipe).canvas
    sizes = {
        "cover": (48, 48),
        "contain": (90, 60),
        "fill": (48, 48),
        "inside": (48, 48),
        "outside": (48, 48),
    }
    larger = {
        "cover": (90, 60),
        "contain": (90, 60),
        "fill": (90, 60),
        "inside": (60, 60),
        "outside": (90, 90),
    }
    assert image.size == (larger if upscale else sizes)[fit]


@pytest.mark.parametrize(("x", "y", "colour"), [(0, 0, RED), (1, 0, GREEN), (0, 1, BLUE), (1, 1, YELLOW)])
def test_focal_point_chooses_what_cover_keeps(x: float, y: float, colour: tuple[int, ...]) -> None:
    """Of a picture that is shown as it is, the pixels are cut, not blurred."""
    wide, high = quadrants(80, 40), quadrants(40, 80)
    for image in (wide, high):
        recipe = Recipe(name="x", width=21, height=21, focal_x=x, focal_y=y, format="png")
        found = pixels(file_of(image, "PNG"), "image/png", recipe)
        corner = (20 * round(x), 20 * round(y))
        assert_close(found.getpixel(corner), colour, within=6)
    unscaled = Recipe(name="x", width=33, height=40, focal_x=x, format="png")
    left = round(x * 47)
    found = pixels(file_of(wide, "PNG"), "image/png", unscaled)
    assert found.tobytes() == wide.crop((left, 0, left + 33, 40)).tobytes()


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg"])
def test_cover_is_a_crop_of_the_scaled_picture(content_type: str) -> None:
    """The crop is neither shifted nor stretched, however few pixels the decoder is asked for."""
    source = noise(41, 31).resize((410, 310), Image.Resampling.BICUBIC)
    file = file_of(
        source,
        content_type.removeprefix("image/").upper(),
        **({"quality": 97} if "jpeg" in content_type else {}),
    )
    recipe = Recipe(name="x", width=50, height=90, focal_x=0.7, format="png")
    crop = plan(Size(410, 310), recipe)
    expected = source.resize(crop.scaled, Image.Resampling.LANCZOS).crop(crop.crop)
    assert _psnr(pixels(file, content_type, recipe), expected) > 36


def test_cascade_is_as_good_as_resizing_the_picture_each_time() -> None:
    """Above 40 dB for a set in the usual proportions, though its small variants are made of the large one."""
    source = noise(90, 70).resize((500, 375), Image.Resampling.BICUBIC)
    recipes = [
        Recipe(name="thumb", width=50, height=50, format="png"),
        Recipe(name="medium", width=200, height=200, format="png"),
        Recipe(name="large", width=400, fit="inside", format="png"),
        Recipe(name="og", width=300, height=157, format="png"),
        # Too near to the large one to be made of it.
        Recipe(name="near", width=380, fit="inside", format="png"),
    ]
    answer = rendered(file_of(source, "PNG", compress_level=1), "image/png", *recipes)
    for recipe, variant in zip(recipes, answer.variants, strict=True):
        crop = plan(Size(500, 375), recipe)
        expected = source.resize(crop.scaled, Image.Resampling.LANCZOS).crop(crop.crop)
        assert _psnr(opened(variant), expected) > (60 if recipe.name == "near" else 40), recipe.name


def _psnr(one: Image.Image, other: Image.Image) -> float:
    """In decibels; over all channels."""
    squares = ImageStat.Stat(ImageChops.difference(one, other)).sum2
    error = sum(squares) / (one.width * one.height * len(squares))
    return 10 * math.log10(255**2 / error) if error else math.inf


def test_variants_come_in_the_order_in_which_they_were_asked_for() -> None:
    """Though they are made in another."""
    names = ["tiny", "large", "middle"]
    recipes = [Recipe(name=name, width=width) for name, width in zip(names, (5, 40, 20), strict=True)]
    answer = rendered(file_of(quadrants(), "PNG"), "image/png", *recipes)
    assert [(variant.name, variant.width) for variant in answer.variants] == [
        ("tiny", 5),
        ("large", 40),
        ("middle", 20),
    ]


def test_facts_alone_make_no_variant() -> None:
    """As when all variants are there already."""
    answer = rendered(file_of(quadrants(900, 600), "JPEG"), "image/jpeg")
    assert (answer.width, answer.height, answer.variants) == (900, 600, ())
    assert len(answer.thumbhash) > 5


@pytest.mark.parametrize("format_", ["webp", "jpeg", "avif"])
def test_quality_is_heeded(format_: Format) -> None:
    """Better is larger, and nearer to the picture."""
    source = noise(20, 20).resize((160, 160), Image.Resampling.BICUBIC)
    recipes = [
        Recipe(name=f"q{quality}", width=160, format=format_, quality=quality) for quality in (10, 50, 95)
    ]
    variants = rendered(file_of(source, "PNG"), "image/png", *recipes).variants
    sizes = [len(variant.body) for variant in variants]
    assert sizes == sorted(set(sizes))
    nearness = [_psnr(opened(variant).convert("RGB"), source) for variant in variants]
    assert nearness == sorted(nearness)


@pytest.mark.parametrize("format_", ["webp", "png", "avif"])
def test_alpha_stays_where_there_is_transparency(format_: Format) -> None:
    """And only there: a crop that is opaque has none."""
    image = quadrants(80, 40).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 30, 40))
    left = Recipe(name="left", width=20, height=20, focal_x=0, format=format_)
    right = Recipe(name="right", width=20, height=20, focal_x=1, format=format_)
    through, opaque = map(opened, rendered(file_of(image, "PNG"), "image/png", left, right).variants)
    assert through.mode == "RGBA"
    alpha = through.getchannel("A")
    assert [alpha.getpixel((2, 10)), alpha.getpixel((18, 10))] == [0, 255]
    assert opaque.mode == "RGB"


@pytest.mark.parametrize(
    ("background", "half"), [("#0000ffff", (115, 10, 142)), ("#00ff0000", (115, 137, 15))]
)
def test_jpeg_is_flattened_on_the_background(background: str, half: tuple[int, ...]) -> None:
    """Whose own opacity counts for nothing, as there is nothing behind it."""
    image = Image.new("RGBA", (32, 32), (*RED, 128))
    recipe = Recipe(name="x", width=16, format="jpeg", background=background, quality=95)
    assert_close(pixels(file_of(image, "PNG"), "image/png", recipe).getpixel((8, 8)), half, within=4)


@pytest.mark.parametrize("source", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("format_", _FORMATS)
def test_contain_adds_background_beside_the_picture(format_: Format, source: str) -> None:
    """In its colour and opacity; within the picture its own transparency stays."""
    image = Image.new("RGB", (60, 30), (120, 120, 120)).convert(source)
    if source == "RGBA":
        image.putalpha(64)
    recipe = Recipe(
        name="x", width=60, height=60, fit="contain", format=format_, background="#ff800080", quality=95
    )
    found = pixels(file_of(image, "PNG"), "image/png", recipe)
    inside: tuple[int, ...] = (120, 120, 120, 64 if source == "RGBA" else 255)
    if format_ == "jpeg":
        # A quarter of grey on the background.
        inside = (221, 126, 30) if source == "RGBA" else (120, 120, 120)
    assert_close(found.getpixel((30, 3)), (255, 128, 0, 128)[: len(inside)], within=9)
    assert_close(found.getpixel((30, 30)), inside, within=9)


def test_contain_on_an_opaque_background_has_no_alpha() -> None:
    """There would be nothing to see through."""
    recipe = Recipe(name="x", width=60, height=60, fit="contain", format="png", background="#102030ff")
    found = pixels(file_of(quadrants(), "PNG"), "image/png", recipe)
    assert found.mode == "RGB"
    assert found.getpixel((0, 0)) == (16, 32, 48)


def test_large_jpeg_is_upright_in_the_usual_set() -> None:
    """Sizes and corners of all four variants, decoded with fewer pixels than the photo has."""
    file = file_of(quadrants(1800, 1350), "JPEG", quality=80)
    answer = rendered(file, "image/jpeg", *DEFAULT_SETS["product"])
    sizes = [(variant.name, variant.width, variant.height) for variant in answer.variants]
    assert sizes == [("thumb", 200, 200), ("medium", 800, 800), ("large", 1600, 1200), ("og", 1200, 630)]
    for variant in answer.variants:
        image = Image.open(io.BytesIO(variant.body)).convert("RGB")
        assert_close(image.getpixel((20, 20)), RED, within=8)
        assert_close(image.getpixel((variant.width - 20, variant.height - 20)), YELLOW, within=8)
