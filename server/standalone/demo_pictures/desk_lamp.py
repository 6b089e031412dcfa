"""Draws a desk lamp with two arms, alight."""

from __future__ import annotations

from server.standalone.demo_pictures.canvas import Canvas, Paint
from server.standalone.demo_pictures.outlines import Outline, arc, ellipse
from server.standalone.demo_pictures.palettes import Palette

_LIGHT = "#fff3c9"


def draw_desk_lamp(canvas: Canvas, palette: Palette) -> None:
    """Stands on y = 965."""
    _light(canvas)
    _foot(canvas, palette)
    _arms(canvas, palette)
    _head(canvas, palette)


def _light(canvas: Canvas) -> None:
    beam: Outline = [(490, 525), (715, 425), (800, 940), (270, 940)]
    canvas.fill(beam, Paint((_LIGHT,), opacity=0.42, blur=38))
    canvas.fill(ellipse(535, 948, 285, 40), Paint((_LIGHT,), opacity=0.6, blur=20))


def _foot(canvas: Canvas, palette: Palette) -> None:
    canvas.fill(ellipse(1000, 950, 200, 42), Paint((palette.body[0],)))
    canvas.fill(ellipse(1000, 934, 200, 42), Paint(palette.body))
    canvas.fill(ellipse(940, 928, 80, 14), Paint(("#ffffff",), opacity=0.35, blur=10))


def _arms(canvas: Canvas, palette: Palette) -> None:
    lower, upper = [(1000.0, 930.0), (1095.0, 560.0)], [(1095.0, 560.0), (715.0, 330.0)]
    for arm in (lower, upper):
        canvas.stroke(arm, 30, Paint(palette.trim))
        canvas.stroke([(x - 6, y - 5) for x, y in arm], 6, Paint(("#ffffff",), opacity=0.35, blur=3))
    for x, y in (lower[0], lower[1]):
        canvas.fill(ellipse(x, y, 36, 36), Paint(palette.body))
        canvas.fill(ellipse(x, y, 14, 14), Paint((palette.accent,)))


def _head(canvas: Canvas, palette: Palette) -> None:
    """A bell that opens to the lower left: drawn along its own axis and turned."""
    rim = [_turned(point) for point in ellipse(0, 0, 175, 46)]
    bell = [_turned(point) for point in [*arc(0, 0, 175, 290, (180, 360)), *arc(0, 0, 175, 46, (0, 180))]]
    cap = [_turned(point) for point in [*arc(0, -262, 62, 62, (180, 360)), (62, -215), (-62, -215)]]
    canvas.fill(cap, Paint(palette.trim))
    canvas.fill(bell, Paint(palette.body))
    shine = [_turned(point) for point in ellipse(-78, -120, 22, 96)]
    canvas.fill(shine, Paint(("#ffffff",), opacity=0.45, blur=16), within=bell)
    canvas.fill(rim, Paint((palette.body[0],)))
    inside = [_turned(point) for point in ellipse(0, 2, 160, 37)]
    canvas.fill(inside, Paint(("#ffe6a0", "#fffdf2", "#ffe6a0")))
    canvas.fill([_turned(point) for point in ellipse(0, 8, 56, 20)], Paint(("#ffffff",), blur=8))


def _turned(point: tuple[float, float]) -> tuple[float, float]:
    """From the bell's own axis, upwards, to its place and slant in the picture: by 25 degrees."""
    x, y = point
    return (600 + 0.906 * x - 0.423 * y, 475 - 0.423 * x + 0.906 * y)
