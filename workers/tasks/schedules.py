"""What is done again and again, and when. All times are UTC, whose days have no gap and no double hour."""

from __future__ import annotations

from typing import Any

from server.affiliate.tasks import KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep
from server.analytics.tasks import (
    CLOSE_ROLLUPS,
    KEEP_EVENT_PARTITIONS,
    PROVE_DRIFT,
    DriftProof,
    EventUpkeep,
)
from server.jobs.declared import PROVE, PRUNE, Upkeep
from server.jobs.schedules import Schedule
from server.media.tasks import RECONCILE, SWEEP_UPLOADS, MediaUpkeep


def all_schedules() -> tuple[Schedule[Any], ...]:
    """Every schedule there is. Of runs that were missed the last is made up for: one run does it all."""
    return (
        # Hourly, though a day changes once: a failed run then has many successors before midnight.
        Schedule("affiliate.click_partitions", "27 * * * *", KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep()),
        Schedule("analytics.event_partitions", "29 * * * *", KEEP_EVENT_PARTITIONS, EventUpkeep()),
        # A day is summed up soon after it may be, and soon again after a late event opened it.
        Schedule("analytics.close_rollups", "3-59/15 * * * *", CLOSE_ROLLUPS, EventUpkeep()),
        # When the last hour's events are drained, whatever the minute they came in.
        Schedule("analytics.prove_drift", "11 * * * *", PROVE_DRIFT, DriftProof()),
        Schedule("media.sweep_uploads", "41 * * * *", SWEEP_UPLOADS, MediaUpkeep()),
        Schedule("jobs.prove", "7 * * * *", PROVE, Upkeep()),
        # When shops are quiet where most of them are.
        Schedule("jobs.prune", "17 3 * * *", PRUNE, Upkeep()),
        Schedule("media.reconcile", "47 3 * * *", RECONCILE, MediaUpkeep()),
    )
