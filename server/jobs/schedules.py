"""Work that is due again and again: when, in which time zone, and what becomes of runs that were missed.

Pure rules; `firing` enqueues what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import islice
from typing import Any, Final, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError

from server.jobs.tasks import Task

P = TypeVar("P", bound=msgspec.Struct)

# A run that comes later than this was missed.
GRACE: Final = timedelta(seconds=60)


class Missed(StrEnum):
    """What happens to due times that passed while no scheduler acted."""

    SKIP = "SKIP"  # none of them runs
    LAST = "LAST"  # the latest runs, for all of them
    ALL = "ALL"  # each runs, in order


class Outcome(StrEnum):
    """What was decided for a due time."""

    FIRED = "FIRED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class Schedule(Generic[P]):
    """Constructor: a name, for ever; a cron expression of five fields, or six with seconds first; the task
    and payload enqueued at each due time; the zone whose clocks the expression speaks of.

    When clocks change, Debian cron's rules hold. A fixed time that is left out runs right after the gap, one
    that comes twice runs the first time; expressions with `*` as their minute or hour count real hours.
    Raises ValueError for an expression or zone that does not exist, MalformedPayload for a wrong payload.
    """

    name: str
    cron: str
    task: Task[P]
    payload: P
    zone: str = "UTC"
    missed: Missed = Missed.LAST

    def __post_init__(self) -> None:
        self.task.encode(self.payload)
        try:
            next(self.due_after(datetime.now(UTC)), None)
            self._check_seconds()
        except CronSimError as error:
            raise ValueError(f"schedule {self.name}: {error} in {self.cron!r}") from error
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"schedule {self.name}: no time zone is called {self.zone!r}") from error

    def _check_seconds(self) -> None:
        # cronsim follows Debian's rules for five fields only: in a gap such a time would never come.
        fields = self.cron.split()
        if len(fields) == 6 and self.zone != "UTC" and "*" not in (fields[1][0], fields[2][0]):
            raise CronSimError("six fields with a fixed time need UTC")

    def due_after(self, instant: datetime) -> Iterator[datetime]:
        """Due times in UTC, later than the instant, each once and in order."""
        last = instant.astimezone(UTC)
        for local in CronSim(self.cron, instant.astimezone(_zone(self.zone))):
            due = local.astimezone(UTC)
            # A fixed time within the hour that comes twice, or two moved out of a gap onto its end.
            if due > last:
                yield due
                last = due

    def next_after(self, instant: datetime) -> datetime | None:
        """The first due time later than the instant; None when there is none within fifty years."""
        return next(self.due_after(instant), None)

    def due_between(self, after: datetime, now: datetime, *, limit: int) -> list[datetime]:
        """At most `limit` due times later than `after` and not later than `now`, earliest first."""
        due: list[datetime] = []
        for instant in islice(self.due_after(after), limit):
            if instant > now:
                break
            due.append(instant)
        return due


def decide(
    missed: Missed, due: Sequence[datetime], now: datetime, *, more: bool = False
) -> list[tuple[datetime, Outcome]]:
    """What becomes of each of these due times, earliest first. `more`: later ones have passed as well."""
    latest = due[-1] if due and not more else None

    def outcome(instant: datetime) -> Outcome:
        in_time = now - instant <= GRACE
        caught_up = missed is Missed.ALL or (missed is Missed.LAST and instant == latest)
        return Outcome.FIRED if in_time or caught_up else Outcome.SKIPPED

    return [(instant, outcome(instant)) for instant in due]


def by_name(schedules: Iterable[Schedule[Any]]) -> dict[str, Schedule[Any]]:
    """The schedules by name; raises ValueError when two share one."""
    named: dict[str, Schedule[Any]] = {}
    for schedule in schedules:
        if schedule.name in named:
            raise ValueError(f"two schedules are called {schedule.name}")
        named[schedule.name] = schedule
    return named


def _zone(name: str) -> tzinfo:
    # cronsim spares itself the arithmetic of zones for this very object.
    return UTC if name == "UTC" else ZoneInfo(name)
