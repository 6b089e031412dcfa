"""Outlines as points, in pixels of the finished picture. Painting them is the canvas's part."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin

Point = tuple[float, float]
Outline = list[Point]

_STEPS = 40


def ellipse(x: float, y: float, across: float, down: float) -> Outline:
    """Around the middle (x, y); `across` and `down` are the half axes."""
    turns = [2 * pi * step / (4 * _STEPS) for step in range(4 * _STEPS)]
    return [(x + across * cos(turn), y + down * sin(turn)) for turn in turns]


def arc(x: float, y: float, across: float, down: float, span: tuple[float, float]) -> Outline:
    """Part of an ellipse, from one angle to another in degrees, clockwise from three o'clock."""
    start, end = span
    turns = [pi / 180 * (start + (end - start) * step / (2 * _STEPS)) for step in range(2 * _STEPS + 1)]
    return [(x + across * cos(turn), y + down * sin(turn)) for turn in turns]


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> Outline:
    """A rectangle with round corners."""
    corners = (
        (right - radius, top + radius, -90),
        (right - radius, bottom - radius, 0),
        (left + radius, bottom - radius, 90),
        (left + radius, top + radius, 180),
    )
    return [
        point
        for x, y, start in corners
        for point in arc(x, y, radius, radius, (start, start + 90))
    ]  # fmt: skip


def curve(start: Point, *pieces: Sequence[Point]) -> Outline:
    """Cubic Bézier pieces one behind the other: two control points and an end each, or the end of a line."""
    points = [start]
    for piece in pieces:
        points.extend(_cubic(points[-1], *piece) if len(piece) == 3 else piece)
    return points


def mirrored(half: Outline, x: float) -> Outline:
    """A whole outline from its left half, drawn from the top down, and the same on the right of `x`."""
    return half + [(2 * x - px, py) for px, py in reversed(half)]


def ribbon(line: Outline, radius: float) -> Outline:
    """Both sides of a line, so far away from it; the line bends less sharply than that."""
    left: Outline = []
    right: Outline = []
    for (x, y), before, behind in zip(line, [line[0], *line], [*line[1:], line[-1]], strict=False):
        along, down = behind[0] - before[0], behind[1] - before[1]
        length = hypot(along, down)
        dx, dy = -down / length * radius, along / length * radius
        left.append((x + dx, y + dy))
        right.append((x - dx, y - dy))
    return left + right[::-1]


def _cubic(start: Point, first: Point, second: Point, end: Point) -> Outline:
    points: Outline = []
    for step in range(1, _STEPS + 1):
        t = step / _STEPS
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
        points.append(
            (
                a * start[0] + b * first[0] + c * second[0] + d * end[0],
                a * start[1] + b * first[1] + c * second[1] + d * end[1],
            )
        )
    return points
