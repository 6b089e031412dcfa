"""ICC profiles made for tests, and the colours that they mean by the formulas of the specification."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

Colorants = Sequence[Sequence[float]]

# Red, green and blue as XYZ, adapted to D50.
ADOBE_RGB: Colorants = (
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
)
DISPLAY_P3: Colorants = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
SRGB: Colorants = (
    (0.43607, 0.22249, 0.01392),
    (0.38515, 0.71687, 0.09708),
    (0.14307, 0.06061, 0.71410),
)
_WHITE = (0.9642, 1.0, 0.8249)
_GAMMA = 2.2


def matrix_profile(colorants: Colorants) -> bytes:
    """A display profile: three colorants and one gamma for each."""
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, colorants), strict=True))
    return _profile(b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(_GAMMA)))


def linear_grey_profile() -> bytes:
    """Of greys whose number is their light."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(1)})


def grey_ink_profile() -> bytes:
    """Of inks that all print as a middle grey, CIELAB 50, 0, 0; but for the black one."""
    unchanged = bytes(range(256))
    matrix = struct.pack(">9i", *(65_536 * (at % 4 == 0) for at in range(9)))
    table = b"mft1" + struct.pack(">I4B", 0, 4, 3, 2, 0) + matrix
    table += unchanged * 4 + bytes((128, 128, 128, 0, 128, 128)) * 2**3 + unchanged * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table})


def srgb_of(colour: Sequence[int], colorants: Colorants) -> tuple[int, ...]:
    """What a colour of `matrix_profile` is in sRGB."""
    linear = [(value / 255) ** _GAMMA for value in colour]
    xyz = [sum(part * axis[at] for part, axis in zip(linear, colorants, strict=True)) for at in range(3)]
    return tuple(round(255 * _companded(value)) for value in _solved(SRGB, xyz))


def _profile(colours: bytes, connection: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    tags = {b"desc": b"desc" + struct.pack(">II", 0, 2) + b"x\0" + bytes(78), b"wtpt": _xyz(_WHITE), **tags}
    table, bodies = b"", b""
    for name, body in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x02100000, b"mntr", colours, connection)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(_WHITE)[8:]
    profile = head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + bodies
    return struct.pack(">I", len(profile)) + profile[4:]


def _curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in values))


def _solved(colorants: Colorants, xyz: Sequence[float]) -> list[float]:
    """The amounts of three colorants that make a colour, by Cramer's rule."""
    whole = _determinant(*colorants)
    replaced = [[xyz if at == which else axis for at, axis in enumerate(colorants)] for which in range(3)]
    return [_determinant(*each) / whole for each in replaced]


def _determinant(one: Sequence[float], two: Sequence[float], three: Sequence[float]) -> float:
    return sum(
        one[at] * (two[(at + 1) % 3] * three[(at + 2) % 3] - two[(at + 2) % 3] * three[(at + 1) % 3])
        for at in range(3)
    )


def _companded(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
