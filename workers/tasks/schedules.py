"""What is done again and again, and when. All times are UTC, whose days have no gap and no double hour."""

from __future__ import annotations

from typing import Any

from server.affiliate.tasks import KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep
from server.jobs.declared import PROVE, PRUNE, Upkeep
from server.jobs.schedules import Schedule


def all_schedules() -> tuple[Schedule[Any], ...]:
    """Every schedule there is. Of runs that were missed the last is made up for: one run does it all."""
    return (
        # Hourly, though a day changes once: a failed run then has many successors before midnight.
        Schedule("affiliate.click_partitions", "27 * * * *", KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep()),
        Schedule("jobs.prove", "7 * * * *", PROVE, Upkeep()),
        # When shops are quiet where most of them are.
        Schedule("jobs.prune", "17 3 * * *", PRUNE, Upkeep()),
    )
