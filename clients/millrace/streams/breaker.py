"""A circuit breaker: after a run of failures, callers are turned away at once instead of waiting in vain."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Opens after ``threshold`` failures in a row, then admits one probe every ``probe_every`` seconds.

    Any success closes it. It only counts: who calls ``failed`` decides what a failure is.
    """

    def __init__(
        self, threshold: int = 20, probe_every: float = 0.25, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold = threshold
        self._probe_every = probe_every
        self._now = now
        self._failures = 0
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether callers are turned away, save for probes."""
        return self._failures >= self._threshold

    def admits(self) -> bool:
        """Whether a call may go through now. True while open means: this call is the probe."""
        if not self.is_open:
            return True
        now = self._now()
        if now < self._probe_at:
            return False
        # Set before the outcome is known, so that a probe whose caller went away blocks nobody for longer.
        self._probe_at = now + self._probe_every
        return True

    def failed(self) -> None:
        """Counts a failure; the one that reaches the threshold opens the breaker."""
        self._failures += 1
        if self._failures == self._threshold:
            self._probe_at = self._now() + self._probe_every

    def probe_soon(self) -> None:
        """Lets the next call be the probe: there is a sign of life, though not yet one of good health."""
        self._probe_at = 0.0

    def succeeded(self) -> None:
        """Closes the breaker and forgets the failures."""
        self._failures = 0
