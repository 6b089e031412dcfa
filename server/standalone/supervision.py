"""Keeps children running: starts them again when they die, says so, and stops them in order."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence

from server.standalone.children import PROBE_INTERVAL, Child, ChildError, ChildSpec, ending

FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0
SETTLED_AFTER = 30.0
DEATHS_AT_START = 5
BACK_WITHIN = 60.0


class Supervisor:
    """The children of one stack.

    Whoever makes it calls `stop` in the end. `inherited` are file descriptors that every child keeps.
    """

    def __init__(self, say: Callable[[str], None], *, inherited: tuple[int, ...] = ()) -> None:
        self._say = say
        self._inherited = inherited
        self._specs: dict[str, ChildSpec] = {}
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._deaths: dict[str, int] = {}

    def start(self, spec: ChildSpec) -> None:
        """Starts the child and keeps it running from now on; returns before it is ready."""
        spec = dataclasses.replace(spec, inherited=(*spec.inherited, *self._inherited))
        self._specs[spec.name] = spec
        self._deaths[spec.name] = 0
        self._keepers[spec.name] = asyncio.create_task(self._keep(spec), name=f"keep {spec.name}")

    def pids(self) -> dict[str, int]:
        """The process id of each child as last started."""
        return {name: child.pid for name, child in self._children.items()}

    async def wait_ready(self, names: Iterable[str], timeout: float) -> None:
        """Waits for all of them; raises ChildError when one keeps dying or takes over `timeout` seconds."""
        deadline = time.monotonic() + timeout
        await asyncio.gather(*(self._wait_ready(self._specs[name], deadline) for name in names))

    async def run_to_end(self, spec: ChildSpec) -> None:
        """Runs a child that ends by itself; raises ChildError with the end of its log when it fails."""
        child = await Child.start(dataclasses.replace(spec, inherited=(*spec.inherited, *self._inherited)))
        self._children[spec.name] = child
        code = await child.wait()
        del self._children[spec.name]
        if code != 0:
            raise ChildError(f"{spec.name} {ending(code)}\n{child.last_words()}")

    async def stop(self, order: Sequence[Iterable[str]]) -> None:
        """Stops group after group, the members of a group together, then whatever is in none of them."""
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for group in (*order, tuple(self._children)):
            stopping = [self._children.pop(name) for name in group if name in self._children]
            await asyncio.gather(*(child.stop() for child in stopping))

    def kill_all(self) -> None:
        """Kills every child at once; for when asking takes too long."""
        for child in self._children.values():
            child.kill()

    async def _keep(self, spec: ChildSpec) -> None:
        delay = FIRST_DELAY
        while True:
            started_at = time.monotonic()
            how = await self._run(spec)
            # One that ended in good order was asked to, as in a rolling restart: no reason to hold it back.
            if how == ending(0) or time.monotonic() - started_at > SETTLED_AFTER:
                delay = FIRST_DELAY
            self._deaths[spec.name] += 1
            self._say(f"{spec.name} {how}; starting it again in {delay:.1f} s (log: {spec.log})")
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _run(self, spec: ChildSpec) -> str:
        """Runs the child to its end and says how it came."""
        try:
            child = self._children[spec.name] = await Child.start(spec)
        except OSError as error:  # no memory or no process numbers left: worth another try
            return f"could not be started ({error})"
        if not self._deaths[spec.name]:
            return ending(await child.wait())
        announcing = asyncio.create_task(self._say_when_back(child))
        try:
            return ending(await child.wait())
        finally:
            announcing.cancel()

    async def _say_when_back(self, child: Child) -> None:
        with contextlib.suppress(ChildError):
            await child.wait_ready(BACK_WITHIN)
            self._say(f"{child.spec.name} is back")

    async def _wait_ready(self, spec: ChildSpec, deadline: float) -> None:
        while not await spec.ready():
            if self._deaths[spec.name] >= DEATHS_AT_START:
                raise ChildError(f"{spec.name} keeps ending; {self._last_words(spec)}")
            if time.monotonic() > deadline:
                raise ChildError(f"{spec.name} is not ready; {self._last_words(spec)}")
            await asyncio.sleep(PROBE_INTERVAL)

    def _last_words(self, spec: ChildSpec) -> str:
        child = self._children.get(spec.name)
        return f"the last of {spec.log}:\n{child.last_words() if child else ''}"
