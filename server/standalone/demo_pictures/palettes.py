"""Which colours each maker's things and their surroundings have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Palette:
    """`#rrggbb` each. `body` runs from the shaded side over the light to the other one; `trim` is for
    handles, straps and stands; `accent` for one small thing.
    """

    wall: tuple[str, str]
    floor: tuple[str, str]
    body: tuple[str, str, str, str]
    trim: tuple[str, str, str]
    accent: str
    shadow: str


PALETTES: Final = {
    "Aldervale": Palette(  # river blue before sand
        wall=("#f3ebdd", "#e5d7c1"),
        floor=("#d9c7ab", "#e9dcc8"),
        body=("#1f4a6b", "#3f7ba6", "#7fb2d3", "#2b5f86"),
        trim=("#2a2623", "#5b524b", "#2a2623"),
        accent="#e0a458",
        shadow="#6b5335",
    ),
    "Brightwater": Palette(  # sand before water
        wall=("#dbe9ea", "#b9d3d6"),
        floor=("#a3c2c6", "#c4dadd"),
        body=("#b08f62", "#dcc195", "#f6e6c6", "#c6a575"),
        trim=("#5a3a22", "#9a6b43", "#5a3a22"),
        accent="#2f6f7e",
        shadow="#2d555b",
    ),
    "Cobblestone": Palette(  # black before clay
        wall=("#f0d9cc", "#dfb9a4"),
        floor=("#cf9f87", "#e3bfab"),
        body=("#17181b", "#33363c", "#6f757f", "#1f2125"),
        trim=("#8c6239", "#d3a36c", "#8c6239"),
        accent="#d9573f",
        shadow="#6a3824",
    ),
}
