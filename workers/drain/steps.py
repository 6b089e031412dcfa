"""The named moments of a batch, for tests that kill the drain between any two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Step = Literal["read", "decoded", "claimed", "copied", "rolled_up", "committed", "acknowledged"]
OnStep = Callable[[Step], None]


def go_on(step: Step) -> None:
    """What happens between two steps of a drain at work: nothing."""
