"""What walking a file's structure comes to: a layout, or why the file is not taken. Walks nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from server.media.content_types import MAX_FRAMES, MAX_PIXELS, MAX_SIDE
from server.media.media import Reason, Rejection

Span = tuple[int, int]

# Far beyond real pictures; it bounds the work that a file of nothing but tiny parts makes.
MAX_PARTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Layout:
    """`end`: where the picture is over. `coded`: spans of compressed pixels by their start."""

    end: int
    coded: tuple[Span, ...]


class Unfit(Exception):  # noqa: N818 - named for what is so
    """The file is not taken. Stays within this package: `judge` returns the rejection."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(reason, detail)


def truncated(what: str) -> Unfit:
    """The file ends before `what` does, or begins."""
    return Unfit(Reason.TRUNCATED, f"The file ends too early: {what} is missing or not whole.")


def broken(what: str) -> Unfit:
    """`what` is a sentence about something that no intact file has."""
    return Unfit(Reason.BROKEN, what)


def check_size(width: int, height: int) -> None:
    """Raises Unfit for a picture, in pixels, that is empty or larger than we decode."""
    if width < 1 or height < 1:
        raise broken("The file says that the picture is 0 pixels wide or high.")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Unfit(
            Reason.TOO_MANY_PIXELS,
            f"The picture is {width} × {height} pixels: over {MAX_PIXELS:,}, or a side over {MAX_SIDE:,}.",
        )


def check_frames(frames: int) -> None:
    """Raises Unfit for longer animations than we take."""
    if frames > MAX_FRAMES:
        raise Unfit(Reason.TOO_MANY_FRAMES, f"The animation has more than {MAX_FRAMES:,} frames.")


def check_parts(parts: int) -> None:
    """Raises Unfit when a file consists of more parts than any picture does."""
    if parts > MAX_PARTS:
        raise broken(f"The file has more than {MAX_PARTS:,} parts.")
