"""What can be done later: a task's name, the type and version of its payload, and how it is retried.

Domains declare their tasks beside their rules; which function runs one is for `workers` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from tenacity import RetryCallState
from tenacity.wait import wait_base, wait_random_exponential

from server.jobs.queues import DEFAULT, check_queue

P = TypeVar("P", bound=msgspec.Struct)

MAX_PAYLOAD_BYTES = 256 * 1024
# Protobuf's readers stop at about a hundred messages, and a level of JSON takes up to three.
MAX_DEPTH = 32
MAX_POSTPONED_SECONDS = 366 * 86_400


class PermanentFailure(Exception):  # noqa: N818 - named for what is so
    """Raised by a handler: no repetition will help, the job is DEAD at once."""


class Postponed(Exception):  # noqa: N818 - named for what is so
    """Raised by a handler: not now. The job is SCHEDULED again in `seconds`, and no failure is counted.

    ValueError for less than none and more than a year.
    """

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        if not 0 <= seconds <= MAX_POSTPONED_SECONDS:
            raise ValueError(f"a job is postponed by 0 to {MAX_POSTPONED_SECONDS} seconds, not {seconds}")
        self.seconds = seconds
        self.why = why


class UnknownVersion(ValueError):  # noqa: N818 - named for what is so
    """A payload of a version that this process does not know: of a newer release, or long forgotten."""


class MalformedPayload(ValueError):  # noqa: N818 - named for what is so
    """A payload that is not of its task's type; the text names the place."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often a task is tried in all, how long it waits between two tries, and what is not tried again.

    The default waits a random time between zero and twice as much after each failure, up to an hour: in all
    some four hours, so that an outage of a night's part makes nothing DEAD.
    """

    attempts: int = 20
    wait: wait_base = field(default_factory=lambda: wait_random_exponential(multiplier=1, max=3600))
    permanent: tuple[type[Exception], ...] = ()

    def delay(self, failures: int) -> float | None:
        """Seconds until the next try after this many failures; None when that was the last."""
        if failures >= self.attempts:
            return None
        # Tenacity's waits ask how often something was tried, and read it from its own kind of call.
        call = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
        call.attempt_number = failures
        return float(self.wait(call))

    def is_permanent(self, error: BaseException) -> bool:
        """Whether this failure would only repeat itself."""
        return isinstance(error, (PermanentFailure, *self.permanent))


@dataclass(frozen=True)
class Task(Generic[P]):
    """Constructor: the name under which jobs are stored, for ever; the payload's type and its version;
    the queue it goes into unless the caller says otherwise; `time_limit` for one run, in seconds.

    A changed payload gets a new `version`; `upgrades` turns the JSON object of an older one into the next,
    one step each. Raises ValueError for an unknown queue or a gap between the upgrades.
    """

    name: str
    payload: type[P]
    version: int = 1
    queue: str = DEFAULT
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    time_limit: float = 60.0
    upgrades: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_queue(self.queue)
        if sorted(self.upgrades) != list(range(self.version - len(self.upgrades), self.version)):
            raise ValueError(f"{self.name}: upgrades must lead to version {self.version} without a gap")

    def encode(self, payload: P) -> str:
        """The payload as JSON; raises MalformedPayload when it is too large, or no value JSON can hold."""
        if not isinstance(payload, self.payload):
            raise MalformedPayload(f"{self.name} takes {self.payload.__name__}, not {type(payload).__name__}")
        try:
            text = msgspec.json.encode(payload)
            # NaN is written as null: what cannot be read back is refused now, not by the worker.
            msgspec.json.decode(text, type=self.payload)
        except (TypeError, ValueError, RecursionError) as error:
            raise MalformedPayload(f"the payload of {self.name} is no JSON: {error}") from error
        return check_json(text).decode()

    def decode(self, version: int, payload: Mapping[str, Any]) -> P:
        """The payload as it was given to `enqueue`; raises UnknownVersion, MalformedPayload."""
        if version != self.version and version not in self.upgrades:
            raise UnknownVersion(f"{self.name} has payloads up to version {self.version}, this is {version}")
        try:
            upgraded = dict(payload)
            for step in range(version, self.version):
                upgraded = self.upgrades[step](upgraded)
            return msgspec.convert(upgraded, self.payload, strict=True)
        except Exception as error:  # an upgrade may stumble over anything
            raise MalformedPayload(f"payload of {self.name}: {error}") from error


def result_json(value: Any) -> bytes:
    """A result as JSON that can be stored; raises MalformedPayload. Running again would not help it."""
    try:
        text = msgspec.json.encode(value)
    except Exception as error:
        raise MalformedPayload(f"the result is no JSON: {type(error).__name__}: {error}") from error
    return check_json(text)


def check_json(text: bytes) -> bytes:
    """JSON that can be stored and shown; raises MalformedPayload for NUL, 256 KiB and 32 levels exceeded."""
    if len(text) > MAX_PAYLOAD_BYTES:
        raise MalformedPayload(f"{len(text)} bytes of JSON are more than {MAX_PAYLOAD_BYTES}")
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(msgspec.json.decode(text)) > MAX_DEPTH:
        raise MalformedPayload(f"JSON of more than {MAX_DEPTH} levels cannot be shown")
    if b"\\u0000" in text and "\0" in _texts(msgspec.json.decode(text)):
        raise MalformedPayload("a text holds a NUL character, which PostgreSQL cannot store")
    return text


def _texts(value: Any) -> str:
    """Every text within a JSON value, one after the other."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(key + _texts(each) for key, each in value.items())
    if isinstance(value, list):
        return "".join(map(_texts, value))
    return ""


def _depth(value: Any) -> int:
    """How many levels of lists and objects a JSON value has; 0 for a plain one."""
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
