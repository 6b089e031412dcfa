"""Fit modes and focal points: sizes and crops against formulas that are written down here a second time."""

import math
from decimal import Decimal, localcontext

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.media.content_types import MAX_PIXELS
from server.media.pictures.fitting import MAX_RESULT_SIDE, Box, Size, plan
from server.media.recipes import Fit, Recipe

_FITS: tuple[Fit, ...] = ("cover", "contain", "fill", "inside", "outside")


def _recipe(fit: Fit, width: int | None, height: int | None, **more: object) -> Recipe:
    return Recipe(name="x", fit=fit, width=width, height=height, **more)  # type: ignore[arg-type]


_SIZES = st.builds(Size, st.integers(1, 5000), st.integers(1, 5000))
_WANTED = st.integers(1, 4000)
_REST = {"focal_x": st.floats(0, 1), "focal_y": st.floats(0, 1), "upscale": st.booleans()}
_RECIPES = st.builds(_recipe, st.sampled_from(_FITS), _WANTED, _WANTED, **_REST)
_COVERS = st.builds(_recipe, st.just("cover"), _WANTED, _WANTED, **_REST)


@pytest.mark.parametrize(
    ("picture", "recipe", "size"),
    [
        # What sharp makes of its own sample photo, 2725 by 2225 pixels.
        (Size(2725, 2225), _recipe("cover", 320, 240), Size(320, 240)),
        (Size(2725, 2225), _recipe("inside", 320, None), Size(320, 261)),
        (Size(2725, 2225), _recipe("inside", None, 320), Size(392, 320)),
        (Size(2725, 2225), _recipe("inside", 320, 240), Size(294, 240)),
        (Size(2725, 2225), _recipe("outside", 320, 240), Size(320, 261)),
        (Size(2725, 2225), _recipe("contain", 320, 240), Size(320, 240)),
        (Size(2725, 2225), _recipe("fill", 320, 320), Size(320, 320)),
        (Size(2725, 2225), _recipe("fill", 320, None), Size(320, 2225)),
        (Size(2725, 2225), _recipe("fill", None, 320), Size(2725, 320)),
        (Size(2725, 2225), _recipe("cover", 2800, None), Size(2725, 2225)),
        (Size(2725, 2225), _recipe("cover", 3000, None, upscale=True), Size(3000, 2450)),
        # Not enlarged: cover cuts what there is, fill goes by each side, contain still fills its canvas.
        (Size(300, 500), _recipe("cover", 400, 200), Size(300, 200)),
        (Size(300, 500), _recipe("cover", 400, 600), Size(300, 500)),
        (Size(300, 500), _recipe("fill", 400, 200), Size(300, 200)),
        (Size(300, 500), _recipe("contain", 400, 600), Size(400, 600)),
        (Size(300, 500), _recipe("outside", 400, 100), Size(300, 500)),
        # No side vanishes.
        (Size(1, 4000), _recipe("inside", 200, 200), Size(1, 200)),
        (Size(1, 4000), _recipe("cover", 200, 200), Size(1, 200)),
        (Size(1, 1), _recipe("cover", 200, 200), Size(1, 1)),
        (Size(1, 1), _recipe("cover", 200, 200, upscale=True), Size(200, 200)),
    ],
)
def test_sizes_are_those_of_sharp(picture: Size, recipe: Recipe, size: Size) -> None:
    """Examples, some of them from the tests of sharp itself."""
    assert plan(picture, recipe).canvas == size


@settings(max_examples=300, derandomize=True, deadline=None)
@given(_SIZES, _RECIPES)
def test_plan_follows_the_formulas(picture: Size, recipe: Recipe) -> None:
    """With both sides given, whatever picture it is."""
    across, down = recipe.width or 0, recipe.height or 0
    found = plan(picture, recipe)
    ratios = _ratios(recipe.fit, Decimal(across) / picture.width, Decimal(down) / picture.height)
    if not recipe.upscale:
        ratios = (min(Decimal(1), ratios[0]), min(Decimal(1), ratios[1]))
    scaled = (_nearest(picture.width * ratios[0]), _nearest(picture.height * ratios[1]))
    if recipe.fit == "outside" and (max(scaled) > MAX_RESULT_SIDE or math.prod(scaled) > MAX_PIXELS):
        assert max(found.canvas) <= MAX_RESULT_SIDE
        assert math.prod(found.canvas) <= MAX_PIXELS
        return
    assert found.scaled == scaled
    expected = {"cover": (min(across, scaled[0]), min(down, scaled[1])), "contain": (across, down)}
    assert found.canvas == expected.get(recipe.fit, scaled)


def _ratios(fit: Fit, across: Decimal, down: Decimal) -> tuple[Decimal, Decimal]:
    if fit == "fill":
        return across, down
    one = max(across, down) if fit in ("cover", "outside") else min(across, down)
    return one, one


def _nearest(length: Decimal) -> int:
    # 28 digits of a third are a bit less than it; a half must stay one.
    with localcontext() as context:
        context.prec = 20
        return max(1, int((+length + Decimal("0.5")).to_integral_value("ROUND_FLOOR")))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(_SIZES, _COVERS)
def test_focal_point_is_as_near_to_the_middle_as_the_edges_allow(picture: Size, recipe: Recipe) -> None:
    """No other crop of that size within the picture has the focal point nearer to its middle."""
    found = plan(picture, recipe)
    crop = found.crop
    assert crop.size == found.canvas
    for first, end, whole, focal in (
        (crop.left, crop.right, found.scaled.width, recipe.focal_x),
        (crop.upper, crop.lower, found.scaled.height, recipe.focal_y),
    ):
        assert 0 <= first < end <= whole
        kept = end - first
        away = abs(focal * whole - (first + kept / 2))
        others = [at for at in (first - 1, first + 1) if 0 <= at <= whole - kept]
        assert all(away <= abs(focal * whole - (at + kept / 2)) + 1e-6 for at in others)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(_SIZES, _RECIPES)
def test_nothing_is_enlarged_unless_asked(picture: Size, recipe: Recipe) -> None:
    """No side of the scaled picture is longer than the picture's; `contain` adds background beside it."""
    found = plan(picture, msgspec.structs.replace(recipe, upscale=False))
    assert found.scaled.width <= picture.width
    assert found.scaled.height <= picture.height


@pytest.mark.parametrize("fit", _FITS)
def test_middle_is_the_default_and_contain_centres(fit: Fit) -> None:
    """An odd pixel goes to the right and below where background is added, to the left where is cut."""
    found = plan(Size(101, 50), _recipe(fit, 50, 50))
    if fit == "cover":
        assert found.crop == Box(26, 0, 76, 50)
    if fit == "contain":
        assert (found.scaled, found.offset) == (Size(50, 25), (0, 12))
    assert found.canvas == {"inside": Size(50, 25), "outside": Size(101, 50)}.get(fit, Size(50, 50))


@pytest.mark.parametrize("fit", ["outside", "inside", "cover", "fill", "contain"])
def test_result_stays_within_what_formats_hold(fit: Fit) -> None:
    """A strip of 1,000 by 30,000 pixels keeps its proportions in a variant that WebP can hold."""
    found = plan(Size(1000, 30_000), _recipe(fit, 1600, None))
    assert found.scaled == Size(546, MAX_RESULT_SIDE)
    assert plan(Size(1, 4000), _recipe("outside", 4000, 4000, upscale=True)).canvas == Size(
        4, MAX_RESULT_SIDE
    )


def test_one_side_alone_keeps_the_proportions() -> None:
    """Of every fit but fill, which leaves the other side as it is."""
    for fit in _FITS:
        size = plan(Size(900, 600), _recipe(fit, None, 200)).canvas
        assert size == (Size(900, 200) if fit == "fill" else Size(300, 200))
