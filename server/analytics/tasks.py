"""What analytics leaves to be done later. Which function does it is for `workers` to say."""

from __future__ import annotations

import datetime

import msgspec
from tenacity.wait import wait_random_exponential

from server.jobs.tasks import RetryPolicy, Task


class EventUpkeep(msgspec.Struct, frozen=True):
    """Nothing to say: what is due follows from the clock and the settings."""


class DriftProof(msgspec.Struct, frozen=True):
    """How many hours back the counts are compared."""

    hours: int = 48


class Erasure(msgspec.Struct, frozen=True):
    """Whose events go: exactly one of the two is given. `requested_at` by PostgreSQL's clock.

    Every event that was in a stream by then goes, and later ones that are found with them. Once the job is
    done its row holds neither of the two any more.
    """

    requested_at: datetime.datetime
    user_id: str | None = None
    session_id: str | None = None


# The next run is due within the hour anyway; a few tries bridge a short outage.
_A_FEW_TRIES = RetryPolicy(attempts=3, wait=wait_random_exponential(multiplier=1, max=60))

KEEP_EVENT_PARTITIONS = Task("analytics.keep_event_partitions", EventUpkeep, queue="bulk", time_limit=900)
CLOSE_ROLLUPS = Task("analytics.close_rollups", EventUpkeep, queue="bulk", retry=_A_FEW_TRIES, time_limit=600)
PROVE_DRIFT = Task("analytics.prove_drift", DriftProof, queue="bulk", retry=_A_FEW_TRIES, time_limit=900)
# A person's wish must not be lost to a bad day: the default's twenty tries.
ERASE = Task("analytics.erase", Erasure, queue="bulk", time_limit=3600)

TASKS = (KEEP_EVENT_PARTITIONS, CLOSE_ROLLUPS, PROVE_DRIFT, ERASE)
