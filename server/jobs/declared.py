"""The tasks of the queue itself: pruning, the proof, a ping. Domains declare their own."""

from __future__ import annotations

import msgspec

from server.jobs.tasks import RetryPolicy, Task


class Upkeep(msgspec.Struct, frozen=True):
    """Nothing to say: what is old follows from the clock and the settings."""


class Ping(msgspec.Struct, frozen=True):
    """`note` comes back in the result."""

    note: str = ""


# Whatever one run leaves, the next day's takes.
PRUNE = Task("jobs.prune", Upkeep, queue="bulk", retry=RetryPolicy(attempts=5), time_limit=3600)
# A difference is DEAD at once, for somebody to look at: it does not go away by itself.
PROVE = Task("jobs.prove", Upkeep, retry=RetryPolicy(attempts=3), time_limit=900)
# Whoever asks is watching, and asks again.
PING = Task("jobs.ping", Ping, queue="critical", retry=RetryPolicy(attempts=1), time_limit=5)

TASKS = (PRUNE, PROVE, PING)
