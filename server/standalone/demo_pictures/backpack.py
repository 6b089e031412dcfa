"""Draws a backpack, seen from the front."""

from __future__ import annotations

from server.standalone.demo_pictures.canvas import Canvas, Paint
from server.standalone.demo_pictures.outlines import arc, curve, ellipse, mirrored, rounded
from server.standalone.demo_pictures.palettes import Palette

_MIDDLE = 800.0


def draw_backpack(canvas: Canvas, palette: Palette) -> None:
    """Stands on y = 975."""
    _straps(canvas, palette)
    body = mirrored(
        curve(
            (800, 232),
            ((610, 232), (535, 330), (528, 500)),
            ((520, 640), (510, 780), (512, 890)),
            ((514, 950), (545, 972), (610, 972)),
        ),
        _MIDDLE,
    )
    canvas.fill(body, Paint(palette.body))
    canvas.fill(ellipse(690, 420, 60, 170), Paint(("#ffffff",), opacity=0.30, blur=40), within=body)
    canvas.fill(ellipse(800, 1000, 330, 90), Paint(("#000000",), opacity=0.32, blur=36), within=body)
    _seam(canvas, palette)
    _pocket(canvas, palette)


def _straps(canvas: Canvas, palette: Palette) -> None:
    canvas.stroke(arc(800, 240, 92, 78, (180, 360)), 30, Paint(palette.trim))
    for side in (-1, 1):
        strap = curve(
            (800 + side * 235, 420),
            ((800 + side * 360, 480), (800 + side * 372, 720), (800 + side * 300, 930)),
        )
        canvas.stroke(strap, 50, Paint((palette.trim[0], palette.trim[1])))


def _seam(canvas: Canvas, palette: Palette) -> None:
    zip_line = curve((566, 560), ((590, 335), (680, 300), (800, 300)), ((920, 300), (1010, 335), (1034, 560)))
    canvas.stroke(zip_line, 18, Paint(("#000000",), opacity=0.35, blur=2))
    canvas.stroke(zip_line, 5, Paint((palette.accent,)))
    canvas.fill(rounded(1025, 548, 1047, 618, 9), Paint((palette.accent,)))
    label = rounded(735, 395, 865, 462, 10)
    canvas.fill([(x + 3, y + 5) for x, y in label], Paint(("#000000",), opacity=0.35, blur=5))
    canvas.fill(label, Paint(palette.trim))
    canvas.fill(ellipse(800, 428, 17, 17), Paint((palette.accent,)))


def _pocket(canvas: Canvas, palette: Palette) -> None:
    pocket = rounded(578, 610, 1022, 925, 52)
    canvas.fill([(x, y + 12) for x, y in pocket], Paint(("#000000",), opacity=0.40, blur=14))
    canvas.fill(pocket, Paint((palette.body[0], palette.body[1], palette.body[1], palette.body[0])))
    flap = curve(
        (570, 640),
        ((570, 612), (590, 598), (620, 598)), ((980, 598),), ((1010, 598), (1030, 612), (1030, 640)),
        ((1026, 730), (930, 762), (800, 762)), ((670, 762), (574, 730), (570, 640)),
    )  # fmt: skip
    canvas.fill([(x, y + 10) for x, y in flap], Paint(("#000000",), opacity=0.40, blur=10), within=pocket)
    canvas.fill(flap, Paint(palette.body))
    canvas.fill(ellipse(720, 650, 90, 26), Paint(("#ffffff",), opacity=0.25, blur=20), within=flap)
    for x in (690, 910):
        canvas.fill(rounded(x - 16, 700, x + 16, 840, 10), Paint(palette.trim))
        canvas.fill(rounded(x - 24, 782, x + 24, 820, 9), Paint((palette.accent,)))
