"""What was sent, and what became of it by the edge's own words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts so far. Every event sent ends in one of the four next counts, once its answer is there."""

    visits: int = 0
    clicks: int = 0
    sent: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    unanswered: int = 0
    refusals: Counter[int] = field(default_factory=Counter)

    def line(self, seconds: float) -> str:
        """All of it in one line; refusals and silence only where there were any."""
        words = [
            f"{self.visits:,} visits in {seconds:.0f} s",
            f"{self.clicks:,} clicks",
            f"{self.sent:,} events sent",
            f"{self.accepted:,} accepted",
            f"{self.duplicates:,} duplicate",
            f"{self.rejected:,} rejected",
        ]
        if self.unanswered:
            words.append(f"{self.unanswered:,} without a verdict")
        words.extend(f"{times:,} answers {status}" for status, times in sorted(self.refusals.items()))
        return ", ".join(words)
