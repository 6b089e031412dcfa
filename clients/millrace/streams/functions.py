"""The Redis Functions library: its source, version and loading. What it does is in functions.lua."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Protocol

# What each expects and answers is written above it in functions.lua.
CLICK: Final = "mr_click"
REPLAY_CLICK: Final = "mr_replay_click"
EVENTS: Final = "mr_events"
EVENTS_ONCE: Final = "mr_events_once"
REPLAY_EVENTS: Final = "mr_replay_events"
RATE: Final = "mr_rate"
RESTATE: Final = "mr_restate_live"
PUBLISH_LINK: Final = "mr_publish_link"


class Executes(Protocol):
    """Whatever sends a Redis command and can be awaited for its reply."""

    def execute(self, *args: str | bytes | int) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True)
class FunctionLibrary:
    """A library whose name and function names end in a hash of its source.

    Two releases that differ in a function therefore never call each other's, and either may load its own at
    any time. A library no release uses any more stays, a few kilobytes, until ``FUNCTION DELETE``.
    """

    name: str
    version: str
    code: str

    @classmethod
    def from_source(cls, source: str) -> FunctionLibrary:
        """The library of a source in which ``@VERSION@`` stands for the hash."""
        version = hashlib.sha256(source.encode()).hexdigest()[:10]
        return cls(f"millrace_{version}", version, source.replace("@VERSION@", version))

    def function(self, name: str) -> str:
        """The name under which this version of a function is called."""
        return f"{name}_{self.version}"


@cache
def millrace_library() -> FunctionLibrary:
    """The library of this release."""
    return FunctionLibrary.from_source(files("millrace.streams").joinpath("functions.lua").read_text("utf-8"))


async def load(client: Executes, library: FunctionLibrary | None = None) -> FunctionLibrary:
    """Loads the library; harmless when it is there already. PipeliningRedis does so whenever it connects."""
    library = library or millrace_library()
    await client.execute("FUNCTION", "LOAD", "REPLACE", library.code)
    return library
