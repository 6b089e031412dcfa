"""Draws headphones, seen from the front."""

from __future__ import annotations

from server.standalone.demo_pictures.canvas import Canvas, Paint
from server.standalone.demo_pictures.outlines import arc, ellipse, rounded
from server.standalone.demo_pictures.palettes import Palette


def draw_headphones(canvas: Canvas, palette: Palette) -> None:
    """Stand on y = 955."""
    _band(canvas, palette)
    for side in (-1, 1):
        _cup(canvas, palette, 800 + side * 265, side)


def _band(canvas: Canvas, palette: Palette) -> None:
    band = arc(800, 560, 300, 330, (176, 364))
    canvas.stroke(band, 62, Paint(palette.body))
    canvas.stroke(arc(800, 560, 308, 340, (195, 285)), 10, Paint(("#ffffff",), opacity=0.40, blur=5))
    canvas.stroke(arc(800, 566, 274, 300, (208, 332)), 34, Paint(palette.trim))


def _cup(canvas: Canvas, palette: Palette, x: float, side: int) -> None:
    """`side` is -1 for the left one and 1 for the right one."""
    canvas.stroke([(x + side * 35, 560), (x + side * 22, 675)], 34, Paint((palette.accent,)))
    cushion = rounded(x - side * 30 - 66, 605, x - side * 30 + 66, 955, 64)
    canvas.fill(cushion, Paint(palette.trim))
    canvas.fill(
        ellipse(x - side * 62, 780, 20, 130), Paint(("#000000",), opacity=0.35, blur=14), within=cushion
    )
    shell = rounded(x + side * 32 - 76, 627, x + side * 32 + 76, 933, 74)
    canvas.fill([(px, py + 8) for px, py in shell], Paint(("#000000",), opacity=0.35, blur=12))
    canvas.fill(shell, Paint(palette.body))
    canvas.fill(
        ellipse(x + side * 32 - 18, 715, 20, 70), Paint(("#ffffff",), opacity=0.40, blur=14), within=shell
    )
    canvas.fill(ellipse(x + side * 32, 860, 15, 15), Paint((palette.accent,)))
