"""Tasks that exist only to be watched: what they did is in tables that no constraint of ours protects."""

import msgspec
from tenacity.wait import wait_random

from server.jobs.tasks import RetryPolicy, Task

# Whatever strikes, a probe is tried again soon and often: only being run by a dying worker may end it.
STUBBORN = RetryPolicy(attempts=1000, wait=wait_random(0, 0.5))

WITNESS_TABLES = """
    CREATE TABLE probe_starts (
        job_id uuid NOT NULL, attempt int NOT NULL, pid int NOT NULL, note text,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE probe_effects (
        job_id uuid NOT NULL, attempt int NOT NULL, pid int NOT NULL, note text,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE probe_refusals (job_id uuid NOT NULL, attempt int NOT NULL, pid int NOT NULL);
"""


class Effect(msgspec.Struct):
    """Work of so many seconds, and a row in the transaction that ends the job."""

    note: str = ""
    seconds: float = 0.0


class Nothing(msgspec.Struct):
    """A payload that says nothing."""


class Seconds(msgspec.Struct):
    """How long to compute."""

    seconds: float


class OldGreeting(msgspec.Struct):
    """Version 1 of a greeting."""

    name: str


class NewGreeting(msgspec.Struct):
    """Version 2 of a greeting."""

    first: str
    last: str = ""


EFFECT = Task("probe.effect", Effect, retry=STUBBORN)
# Leaves a row when it starts, too: in a transaction of its own, so that a lost run is seen.
WATCHED = Task("probe.watched", Effect, retry=STUBBORN)
# Does not stop when it is told to, and tries to leave its row however late it is.
LATE_WRITER = Task("probe.late_writer", Effect, retry=STUBBORN)
# Kills the worker that runs it.
POISON = Task("probe.poison", Nothing)
COMPUTING = Task("probe.computing", Seconds, queue="images")
# Tells when it began, and ends without a transaction of its own.
MOMENT = Task("probe.moment", Nothing)

OLD_GREETING = Task("probe.greeting", OldGreeting, retry=STUBBORN)
NEW_GREETING = Task(
    "probe.greeting",
    NewGreeting,
    version=2,
    retry=STUBBORN,
    upgrades={1: lambda old: {"first": old["name"]}},
)
# Only the new release has it.
NOVEL = Task("probe.novel", Effect, retry=STUBBORN)
