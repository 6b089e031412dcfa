"""Adobe RGB (1998) as a colour profile, and what its colours are in sRGB. Pictures are made elsewhere."""

from __future__ import annotations

import struct
from typing import Final

Colour = tuple[int, int, int]

# The primaries as XYZ under D50, and the exponent, of "Adobe RGB (1998) Color Image Encoding".
_PRIMARIES: Final = (
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
)
_WHITE: Final = (0.9642, 1.0, 0.8249)
_EXPONENT: Final = 563 / 256

# XYZ under D50 to linear sRGB: the inverse of sRGB's primaries adapted to D50 (Bradford).
_TO_SRGB: Final = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)


def adobe_rgb() -> bytes:
    """An ICC profile of version 2 that every reader takes; see ICC.1:2001-04."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(_EXPONENT * 256)) + bytes(2)
    name = b"Adobe RGB (1998)\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(12 + 67)
    tags = {
        b"desc": described,
        b"cprt": b"text" + bytes(4) + b"Public domain\0",
        b"wtpt": _xyz(_WHITE),
        **{
            channel + b"XYZ": _xyz(value)
            for channel, value in zip((b"r", b"g", b"b"), _PRIMARIES, strict=True)
        },
        **{channel + b"TRC": curve for channel in (b"r", b"g", b"b")},
    }
    return _with_header(tags)


def in_srgb(colour: Colour) -> Colour:
    """What these Adobe RGB values are in sRGB, by the two specifications' formulas; cut at its gamut."""
    linear = [(value / 255) ** _EXPONENT for value in colour]
    xyz = [
        sum(value * primary[axis] for value, primary in zip(linear, _PRIMARIES, strict=True))
        for axis in range(3)
    ]
    red, green, blue = (
        round(255 * _companded(sum(a * b for a, b in zip(row, xyz, strict=True)))) for row in _TO_SRGB
    )
    return red, green, blue


def _companded(linear: float) -> float:
    held = min(1.0, max(0.0, linear))
    return 12.92 * held if held <= 0.0031308 else float(1.055 * held ** (1 / 2.4) - 0.055)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65_536) for value in values))


def _with_header(tags: dict[bytes, bytes]) -> bytes:
    table, content = struct.pack(">I", len(tags)), b""
    beginning = 128 + 4 + 12 * len(tags)
    for signature, value in tags.items():
        table += signature + struct.pack(">2I", beginning + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    size = 128 + len(table) + len(content)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", *(round(value * 65_536) for value in _WHITE))
    return head.ljust(128, b"\0") + table + content
