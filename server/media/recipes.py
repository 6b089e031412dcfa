"""How variants are made: recipes, their hashes, and the named sets of the settings. Makes none itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

Fit = Literal["cover", "contain", "fill", "inside", "outside"]
Format = Literal["webp", "jpeg", "png", "avif"]

MAX_SIDE: Final = 4000
# Of one picture, added up over all calls: its job makes them all.
MAX_VARIANTS: Final = 50
DEFAULT_QUALITY: Final = 80
WHITE: Final = "#ffffffff"
MIDDLE: Final = 0.5
# Counts up when the same recipe gives other pixels than before: keys of old variants are never written again.
_RENDERING: Final = 1
_HASH_LETTERS: Final = 16
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_COLOUR: Final = re.compile(r"#[0-9a-f]{8}")


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One variant, with everything resolved. `width` and `height` in pixels, at least one of them given;
    `focal_x` and `focal_y` from 0 to 1; `background` as `#rrggbbaa`. Stored as JSON, in rows and payloads.
    """

    name: str
    width: int | None = None
    height: int | None = None
    fit: Fit = "cover"
    format: Format = "webp"
    quality: int = DEFAULT_QUALITY
    focal_x: float = MIDDLE
    focal_y: float = MIDDLE
    background: str = WHITE
    upscale: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for what no recipe may ask for; msgspec then names the place."""
        sides = [side for side in (self.width, self.height) if side is not None]
        for holds, rule in (
            (_NAME.fullmatch(self.name), "name: 1 to 32 of a-z, 0-9, - and _, a letter first"),
            (sides, "width or height must be given"),
            (all(1 <= side <= MAX_SIDE for side in sides), f"width and height: 1 to {MAX_SIDE} pixels"),
            (1 <= self.quality <= 100, "quality: 1 to 100"),
            (0 <= self.focal_x <= 1 and 0 <= self.focal_y <= 1, "focal_x and focal_y: 0 to 1"),
            (_COLOUR.fullmatch(self.background), "background: #rrggbbaa in lower-case digits"),
        ):
            if not holds:
                raise ValueError(rule)

    @property
    def hash(self) -> str:
        """Names what comes out for given content: equal for recipes that differ in nothing but their name."""
        values = msgspec.structs.asdict(self) | {"name": None, "rendering": _RENDERING}
        text = msgspec.json.encode(values, order="sorted")
        return hashlib.sha256(text).hexdigest()[:_HASH_LETTERS]


Recipes = tuple[Recipe, ...]
# Recipes by entity type; under DEFAULT_SET those of every other type.
VariantSets = Mapping[str, Recipes]

DEFAULT_SET: Final = "default"

DEFAULT_SETS: Final[VariantSets] = {
    "product": (
        Recipe(name="thumb", width=200, height=200),
        Recipe(name="medium", width=800, height=800),
        Recipe(name="large", width=1600, fit="inside"),
        Recipe(name="og", width=1200, height=630, format="jpeg"),
    ),
    DEFAULT_SET: (
        Recipe(name="thumb", width=200, height=200),
        Recipe(name="medium", width=800, height=800, fit="inside"),
        Recipe(name="large", width=1600, height=1600, fit="inside"),
    ),
}


def set_for(entity_type: str, sets: VariantSets) -> Recipes:
    """The recipes of pictures of this kind of thing."""
    return sets.get(entity_type) or sets.get(DEFAULT_SET) or DEFAULT_SETS[DEFAULT_SET]


def merged(wanted: Sequence[Recipe], added: Sequence[Recipe]) -> Recipes:
    """`wanted` with `added`: a recipe of the same name takes the other's place, new ones follow in order."""
    by_name = {recipe.name: recipe for recipe in wanted} | {recipe.name: recipe for recipe in added}
    return tuple(by_name.values())
