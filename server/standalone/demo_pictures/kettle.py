"""Draws a kettle with a swan's neck."""

from __future__ import annotations

from server.standalone.demo_pictures.canvas import Canvas, Paint
from server.standalone.demo_pictures.outlines import arc, curve, ellipse, mirrored, rounded
from server.standalone.demo_pictures.palettes import Palette

_MIDDLE = 830.0


def draw_kettle(canvas: Canvas, palette: Palette) -> None:
    """Stands on y = 960."""
    _spout(canvas, palette)
    _handle(canvas, palette)
    _body(canvas, palette)
    _lid(canvas, palette)


def _spout(canvas: Canvas, palette: Palette) -> None:
    neck = curve(
        (640, 830),
        ((470, 830), (540, 600), (480, 500)),
        ((450, 445), (410, 440), (372, 452)),
    )
    canvas.stroke(neck, 58, Paint((palette.body[0], palette.body[1], palette.body[0])))
    shine = [(x - 10, y - 6) for x, y in neck]
    canvas.stroke(shine, 12, Paint((palette.body[2],), opacity=0.75, blur=4))
    canvas.fill(ellipse(366, 455, 15, 29), Paint((palette.body[0],)))


def _handle(canvas: Canvas, palette: Palette) -> None:
    grip = curve(
        (990, 520),
        ((1090, 420), (1250, 470), (1240, 620)),
        ((1232, 740), (1180, 800), (1125, 850)),
    )
    canvas.stroke(grip, 56, Paint(palette.trim))
    canvas.stroke([(x - 8, y - 10) for x, y in grip], 10, Paint(("#ffffff",), opacity=0.28, blur=4))


def _body(canvas: Canvas, palette: Palette) -> None:
    half = curve(
        (720, 470),
        ((640, 520), (560, 720), (545, 880)),
        ((540, 925), (560, 950), (600, 950)),
    )
    body = mirrored(half, _MIDDLE)
    canvas.fill(rounded(590, 930, 1070, 968, 16), Paint(palette.trim))
    canvas.fill(body, Paint(palette.body))
    canvas.fill(ellipse(735, 700, 42, 190), Paint(("#ffffff",), opacity=0.42, blur=26), within=body)
    canvas.fill(ellipse(_MIDDLE, 975, 320, 70), Paint(("#000000",), opacity=0.30, blur=30), within=body)
    canvas.stroke(arc(_MIDDLE, 470, 110, 26, (0, 180)), 5, Paint(("#000000",), opacity=0.30, blur=2))


def _lid(canvas: Canvas, palette: Palette) -> None:
    dome = curve((714, 472), ((725, 415), (790, 396), (830, 396)), ((870, 396), (935, 415), (946, 472)))
    rim = arc(_MIDDLE, 472, 116, 24, (0, 180))
    canvas.fill(dome + rim, Paint(palette.body))
    canvas.fill(ellipse(780, 432, 32, 12), Paint(("#ffffff",), opacity=0.45, blur=8))
    canvas.fill(rounded(814, 362, 846, 404, 8), Paint((palette.body[0],)))
    canvas.fill(ellipse(_MIDDLE, 350, 34, 26), Paint(palette.trim))
    canvas.fill(ellipse(820, 341, 12, 7), Paint(("#ffffff",), opacity=0.5, blur=3))
