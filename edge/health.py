"""`/healthz` and `/readyz`: whether this process lives, and whether it should be sent traffic."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

log = structlog.get_logger()

# Says in one word how a dependency is; `up` is the only good one.
Probe = Callable[[], Awaitable[str]]
# The same of what must be well whatever else is; costs nothing to ask.
Condition = Callable[[], str]

PROBE_SECONDS = 1.0


class Health:
    """Asks each dependency when asked.

    The redirect goes on without Redis or without the server, so neither alone makes an edge unready: it would
    only move the same trouble to the other edges. Each of the `conditions` alone does; `notes` are for
    reading.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        *,
        is_stopping: Callable[[], bool],
        conditions: Mapping[str, Condition] | None = None,
        notes: Mapping[str, Condition] | None = None,
    ) -> None:
        self._probes = probes
        self._conditions = dict(conditions or {})
        self._notes = dict(notes or {})
        self._is_stopping = is_stopping

    async def live(self) -> web.Response:
        """Answer 200: the loop turns."""
        return web.json_response({"status": "alive"}, headers={"Cache-Control": "no-store"})

    async def ready(self) -> web.Response:
        """Answer 200 with each dependency's state while any of them is up and every condition is.

        Else 503, as while stopping.
        """
        states = dict(
            zip(
                self._probes,
                await asyncio.gather(*map(_ask, self._probes, self._probes.values())),
                strict=True,
            )
        )
        stopping = self._is_stopping()
        conditions = {name: ask() for name, ask in self._conditions.items()}
        notes = {name: ask() for name, ask in self._notes.items()}
        is_well = all(state == "up" for state in conditions.values())
        ready = not stopping and is_well and "up" in states.values()
        status = "stopping" if stopping else "ready" if ready else "unready"
        headers = {"Cache-Control": "no-store"} | ({} if ready else {"Retry-After": "1"})
        return web.json_response(
            {"status": status, "dependencies": states | conditions | notes},
            status=200 if ready else 503,
            headers=headers,
        )


async def _ask(name: str, probe: Probe) -> str:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return "slow"
    except Exception as error:  # noqa: BLE001 - a broken probe is a state of the dependency, not of the answer
        log.info("dependency_down", dependency=name, error=type(error).__name__)
        return "down"
