"""How far a long command is, on stderr: a line that changes on a terminal, else one now and then."""

from __future__ import annotations

import sys
import time
from typing import Final

_ON_TERMINAL_SECONDS: Final = 0.2
_ELSEWHERE_SECONDS: Final = 10.0


class ProgressLine:
    """Constructor: what is being done. Call `show` as often as you like, `end` before other output."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._terminal = sys.stderr.isatty()
        self._pause = _ON_TERMINAL_SECONDS if self._terminal else _ELSEWHERE_SECONDS
        self._started = self._shown = time.monotonic()
        self._width = 0

    async def show(self, done: int, total: int, what: str = "") -> None:
        """Say how many steps are done, of how many, and which one it is."""
        now = time.monotonic()
        if now - self._shown < self._pause:
            return
        self._shown = now
        left = (now - self._started) * (total - done) / done if done else 0.0
        line = f"{self._title}: {done:,} of {total:,}" + (f", {what}" if what else "")
        self._write(line + (f", {left:.0f} s to go" if left else ""))

    def end(self) -> None:
        """Leave a clean line."""
        if self._terminal and self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0

    def _write(self, line: str) -> None:
        if self._terminal:
            sys.stderr.write("\r" + line.ljust(self._width))
            self._width = max(self._width, len(line))
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()
