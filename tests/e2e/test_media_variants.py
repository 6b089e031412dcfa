"""What the variants show: of every kind of picture, by every recipe, fetched as visitors fetch them."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.e2e.colour_profiles import Colour
from tests.e2e.media_pictures import (
    BLUE,
    GREEN,
    QUADRANTS,
    RED,
    YELLOW,
    Picture,
    ordinary_pictures,
    quadrants,
    saved,
    turned,
)
from tests.e2e.media_shop import PRODUCT_SET, Fetched, MediaShop, names, open_shop, urls, variant
from tests.stack import Stack

IMMUTABLE = "public, max-age=31536000, immutable"
# What JPEG, WebP and AVIF may change of a flat colour, and rounding on the way.
TOLERANCE = 12
SHADE = (16, 32, 48)

CLEAR_FORMATS = ("webp", "png", "avif")

# Every fit and every format once, of a picture of 1800 × 1200: the name, the recipe, the size that follows.
RECIPES: tuple[tuple[str, dict[str, Any], tuple[int, int]], ...] = (
    ("cover", {"width": 300, "height": 300, "format": "png"}, (300, 300)),
    ("left", {"width": 300, "height": 300, "format": "png", "focalPoint": {"x": 0, "y": 0.5}}, (300, 300)),
    ("right", {"width": 300, "height": 300, "format": "png", "focalPoint": {"x": 1, "y": 0.5}}, (300, 300)),
    ("contain", {"width": 300, "height": 300, "fit": "contain", "format": "png", "background": "#102030"},
     (300, 300)),
    ("fill", {"width": 300, "height": 100, "fit": "fill", "format": "avif"}, (300, 100)),
    ("inside", {"width": 300, "height": 300, "fit": "inside", "format": "jpeg", "quality": 95}, (300, 200)),
    ("outside", {"width": 300, "height": 300, "fit": "outside"}, (450, 300)),
    ("height", {"height": 120, "format": "webp", "quality": 1}, (180, 120)),
    ("huge", {"width": 3600, "fit": "inside"}, (1800, 1200)),
    ("larger", {"width": 2000, "height": 1300, "fit": "fill", "upscale": True}, (2000, 1300)),
)  # fmt: skip
# Those in which the quadrants keep their middles.
CENTRED = {"cover", "fill", "inside", "outside", "huge", "larger"}


@pytest.fixture(scope="module")
async def shop(stack: Stack) -> AsyncIterator[MediaShop]:
    async with open_shop(stack) as shop:
        yield shop


@pytest.fixture(scope="module")
async def kettle(shop: MediaShop) -> Any:
    """Of 1800 × 1200 pixels, with the product's set."""
    image = quadrants((1800, 1200))
    content = saved(image, "jpeg", quality=90, comment=uuid.uuid4().hex)
    return await shop.added(Picture("kettle", content, "image/jpeg", image.size))


@pytest.fixture(scope="module")
async def to_order(shop: MediaShop, kettle: Any) -> Any:
    """The same picture after a call for RECIPES, and once more for one of the set by its name alone."""
    ordered = [{"name": name, **recipe} for name, recipe, _ in RECIPES]
    return await shop.processed(kettle["mediaId"], variants=[*ordered, {"name": "thumb"}])


@pytest.fixture(scope="module")
async def shown(shop: MediaShop) -> dict[str, tuple[Picture, Any, Image.Image]]:
    """Of every ordinary picture: its record, and a JPEG of its own size."""

    async def show(picture: Picture) -> tuple[Picture, Any, Image.Image]:
        recipe = {"name": "shown", "width": 4000, "fit": "inside", "format": "jpeg", "quality": 95}
        record = await shop.added(picture, variants=[recipe])
        if record["status"] != "READY":
            return picture, record, Image.new("RGB", picture.size)
        return picture, record, (await shop.fetch(variant(record, "shown")["url"])).image()

    answers = await asyncio.gather(*(show(picture) for picture in ordinary_pictures()))
    return {picture.name: (picture, record, image) for picture, record, image in answers}


def distance(one: Any, other: Colour) -> int:
    """How far two colours are from each other in the channel where they differ most."""
    return max(abs(int(a) - b) for a, b in zip(one[:3], other, strict=True))


def far_off(image: Image.Image, colours: tuple[Colour, ...]) -> dict[int, Any]:
    """The quadrants whose middle is of another colour, with that colour."""
    width, height = image.size
    middles = [(width * x // 4, height * y // 4) for y in (1, 3) for x in (1, 3)]
    seen = [image.convert("RGB").getpixel(place) for place in middles]
    return {
        number: colour
        for number, (colour, expected) in enumerate(zip(seen, colours, strict=True))
        if distance(colour, expected) > TOLERANCE
    }


def assert_is(fetched: Fetched, record: Any, form: str, size: tuple[int, int]) -> Image.Image:
    """What was fetched is what the record says, and may be kept for ever; returns the picture."""
    image = fetched.image()
    assert fetched.status == 200
    assert fetched.headers["Content-Type"] == f"image/{form}"
    assert fetched.headers["Cache-Control"] == IMMUTABLE
    assert (image.format, image.size) == (form.upper(), size)
    assert (record["format"], record["width"], record["height"]) == (form, *size)
    assert record["bytes"] == len(fetched.body) == int(fetched.headers["Content-Length"])
    return image


@pytest.mark.parametrize(
    ("name", "form", "size"),
    [("thumb", "webp", (200, 200)), ("medium", "webp", (800, 800)), ("large", "webp", (1600, 1067)),
     ("og", "jpeg", (1200, 630))],
)  # fmt: skip
async def test_products_have_four_variants(
    kettle: Any, shop: MediaShop, name: str, form: str, size: tuple[int, int]
) -> None:
    """Exactly of the set's sizes and formats, with the picture's colours in their places."""
    record = variant(kettle, name)
    image = assert_is(await shop.fetch(record["url"]), record, form, size)
    assert far_off(image, QUADRANTS) == {}
    assert record["url"].endswith({"webp": ".webp", "jpeg": ".jpg"}[form])


@pytest.mark.parametrize(("name", "recipe", "size"), RECIPES, ids=[name for name, _, _ in RECIPES])
async def test_recipes_make_what_they_say(
    to_order: Any, shop: MediaShop, name: str, recipe: dict[str, Any], size: tuple[int, int]
) -> None:
    """Every fit and format; without upscaling nothing gets larger than it was."""
    record = variant(to_order, name)
    image = assert_is(await shop.fetch(record["url"]), record, recipe.get("format", "webp"), size)
    if name in CENTRED:
        assert far_off(image, QUADRANTS) == {}


async def test_containing_adds_background(to_order: Any, shop: MediaShop) -> None:
    """Above and below the picture, which keeps its proportions in the middle."""
    image = (await shop.fetch(variant(to_order, "contain")["url"])).image().convert("RGB")
    expected = {(150, 20): SHADE, (150, 280): SHADE, (75, 80): RED, (225, 80): GREEN, (225, 220): YELLOW}
    wrong = {
        place: image.getpixel(place)
        for place, colour in expected.items()
        if distance(image.getpixel(place), colour) > TOLERANCE
    }
    assert wrong == {}


async def test_the_focal_point_moves_what_is_cut_off(to_order: Any, shop: MediaShop) -> None:
    """A square of the left edge shows the border of the colours at three quarters, of the right at one."""
    left, right = [
        (await shop.fetch(variant(to_order, name)["url"])).image().convert("RGB")
        for name in ("left", "right")
    ]
    for image, border in ((left, 225), (right, 75)):
        for y, (before, after) in ((75, (RED, GREEN)), (225, (BLUE, YELLOW))):
            assert distance(image.getpixel((border - 4, y)), before) <= TOLERANCE
            assert distance(image.getpixel((border + 4, y)), after) <= TOLERANCE


async def test_more_variants_join_those_there_are(kettle: Any, to_order: Any, shop: MediaShop) -> None:
    """What was there keeps its place and its URL; asked for again by name it is not made again."""
    assert names(to_order) == [*PRODUCT_SET, *(name for name, _, _ in RECIPES)]
    assert urls(to_order)[:4] == urls(kettle)
    assert urls(await shop.record(kettle["mediaId"])) == urls(to_order)


async def test_a_variant_of_the_same_name_takes_the_others_place(shop: MediaShop, kettle: Any) -> None:
    """Under a URL of its own, since what is behind a URL never changes."""
    before = await shop.processed(kettle["mediaId"], variants=[{"name": "badge", "width": 64}])
    after = await shop.processed(kettle["mediaId"], variants=[{"name": "badge", "width": 32}])

    assert names(after) == names(before)
    assert variant(after, "badge")["width"] == 32
    assert variant(after, "badge")["url"] != variant(before, "badge")["url"]


async def test_every_ordinary_picture_is_taken(shown: dict[str, tuple[Picture, Any, Image.Image]]) -> None:
    """READY, of the size that is shown, also where a profile is broken or bits are many."""
    refused = {
        name: (record["status"], record.get("reason"), record.get("reasonDetail"))
        for name, (picture, record, _) in shown.items()
        if record["status"] != "READY" or (record["width"], record["height"]) != picture.size
    }
    assert refused == {}


async def test_colours_are_right(shown: dict[str, tuple[Picture, Any, Image.Image]]) -> None:
    """As a browser shows them: turned upright, in sRGB, the first frame, on white where nothing is."""
    wrong = {name: far_off(image, picture.colours) for name, (picture, _, image) in shown.items()}
    assert {name: places for name, places in wrong.items() if places} == {}
    assert {name: image.size for name, (_, _, image) in shown.items()} == {
        name: picture.size for name, (picture, _, _) in shown.items()
    }


async def test_all_orientations_show_the_same(shown: dict[str, tuple[Picture, Any, Image.Image]]) -> None:
    """Pixel by pixel, but for what JPEG made of them when they were stored."""
    upright = shown["orientation 1"][2]
    for number in range(2, 9):
        image = shown[f"orientation {number}"][2]
        apart = ImageChops.difference(upright, image).convert("L").point(lambda level: 255 * (level > 48))
        assert apart.getbbox() is None, number


async def test_nobody_learns_where_a_photo_was_taken(shop: MediaShop) -> None:
    """The original has its place; no variant has that, or any other metadata."""
    picture = turned(6)
    assert Image.open(io.BytesIO(picture.content)).getexif().get_ifd(0x8825)
    formats = [{"name": form, "width": 200, "format": form} for form in ("webp", "jpeg", "png", "avif")]
    record = await shop.added(picture, variants=formats)
    for one in record["variants"]:
        fetched = await shop.fetch(one["url"])
        image = fetched.image()
        assert dict(image.getexif()) == {}, one["name"]
        assert not {"exif", "xmp", "icc_profile", "comment"} & image.info.keys()
        assert b"Exif" not in fetched.body


async def test_transparency_stays_where_the_format_has_it(
    shown: dict[str, tuple[Picture, Any, Image.Image]], shop: MediaShop
) -> None:
    """The lower half of the picture is clear in WebP, PNG and AVIF, and on the background in JPEG."""
    record = shown["palette with transparency"][1]
    formats = [{"name": form, "width": 100, "format": form} for form in CLEAR_FORMATS]
    flat = {"name": "flat", "width": 100, "format": "jpeg", "background": "#102030", "quality": 95}
    made = await shop.processed(record["mediaId"], variants=[*formats, flat])
    for form in CLEAR_FORMATS:
        image = (await shop.fetch(variant(made, form)["url"])).image().convert("RGBA")
        above, below = image.getpixel((50, 20)), image.getpixel((50, 80))
        assert isinstance(above, tuple)
        assert isinstance(below, tuple)
        assert (above[3], below[3]) == (255, 0), form
    image = (await shop.fetch(variant(made, "flat")["url"])).image()
    assert far_off(image, (RED, GREEN, SHADE, SHADE)) == {}
