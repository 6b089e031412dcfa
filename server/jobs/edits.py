"""Payloads that operators edit: read as the task's type would read them, before any worker has to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from server.jobs.errors import refused_field
from server.jobs.tasks import MalformedPayload, Task, check_json

AnyTask = Task[Any]

_PLACE = re.compile(r"(?P<said>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MEMBER = re.compile(r"field `(?P<name>[^`]+)`")


@dataclass(frozen=True, slots=True)
class EditedPayload:
    """What replaces a payload. `version` is None where the task is not known here: the job's own stays."""

    values: Mapping[str, Any]
    version: int | None


class DeclaredTasks:
    """The tasks that this process knows. Others may exist: a newer release may have more."""

    def __init__(self, tasks: Sequence[AnyTask]) -> None:
        self._tasks = {task.name: task for task in tasks}

    def check(self, task_name: str, values: Mapping[str, Any]) -> EditedPayload:
        """The payload as it is to be stored; raises InvalidArgument naming `payload.<field>`.

        Of a task that is not known here, any JSON object is taken.
        """
        task = self._tasks.get(task_name)
        try:
            if task is None:
                check_json(msgspec.json.encode(values))
                return EditedPayload(values, None)
            _refuse_strangers(task, values)
            typed = task.decode(task.version, values)
            return EditedPayload(msgspec.json.decode(task.encode(typed)), task.version)
        except MalformedPayload as error:
            raise refused_field(*_place_of(error)) from error


def _refuse_strangers(task: AnyTask, values: Mapping[str, Any]) -> None:
    # Reading skips members that it does not know, and an optional one misspelt would change nothing.
    known = {field.encode_name for field in msgspec.structs.fields(task.payload)}
    for name in values:
        if name not in known:
            raise refused_field(f"payload.{name}", f"{task.name} has no such field")


def _place_of(error: MalformedPayload) -> tuple[str, str]:
    """The path and the words of what the payload's type refused."""
    if not isinstance(error.__cause__, msgspec.ValidationError):
        return "payload", str(error)
    found = _PLACE.fullmatch(str(error.__cause__))
    said, path = (found["said"], found["path"] or "") if found else (str(error.__cause__), "")
    member = _MEMBER.search(said)
    steps = [step for step in (path, member["name"] if member else "") if step]
    return ".".join(["payload", *steps]), said[:1].lower() + said[1:]
