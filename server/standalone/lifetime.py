"""A stack from opening to closing: keeps it until told to stop, then stops it in order."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from server.standalone.endpoints import Endpoints, remove_endpoints, write_endpoints
from server.standalone.own_processes import WORKER
from server.standalone.ports import RememberedPorts
from server.standalone.probes import state_of
from server.standalone.settings import Settings, SettingsError
from server.standalone.stack import Stack
from server.standalone.state_lock import SUPERVISOR_LOCK, stack_lock, wait_for_last_run
from server.standalone.supervision import Supervisor
from server.standalone.terminal import say, show, stopwatch

BACKLOG = 2048


@contextlib.asynccontextmanager
async def opened_stack(settings: Settings) -> AsyncIterator[Stack]:
    """A stack not started yet; on exit what it started is stopped, or killed on a second signal."""
    (settings.state / "logs").mkdir(exist_ok=True)
    remove_endpoints(settings.state)
    with stack_lock(settings.state) as lock:
        await wait_for_last_run(lock, say)
        ports = RememberedPorts(settings.state / "ports.json", settings.ports)
        with open_door(settings.edge_host, ports.port("edge")) as door:
            supervisor = Supervisor(say, inherited=(lock.fileno(),))
            stack = Stack(settings, supervisor, ports, door)
            try:
                yield stack
            finally:
                remove_endpoints(settings.state)
                for number in (signal.SIGINT, signal.SIGTERM):
                    asyncio.get_running_loop().add_signal_handler(number, supervisor.kill_all)
                await stack.stop()


async def run_stack(settings: Settings) -> None:
    """Starts a stack, says where it is, and keeps it until SIGINT, SIGTERM or SIGHUP."""
    taken = stopwatch()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with opened_stack(settings) as stack:
        endpoints = await _unless(stopping, stack)
        if endpoints is not None:
            write_endpoints(settings.state, endpoints)
            metrics = stack.metrics_ports()
            pictures = await state_of("pictures", metrics[WORKER]) if WORKER in metrics else None
            show(
                endpoints,
                logs=settings.state / "logs",
                metrics=metrics,
                pictures=pictures,
                seconds=taken(),
            )
            await stopping.wait()
        say("stopping; Ctrl-C again kills what is left")
    say("stopped")


async def _unless(stopping: asyncio.Event, stack: Stack) -> Endpoints | None:
    """The endpoints of the started stack; None when told to stop while starting."""
    start = asyncio.create_task(stack.start())
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not start.done():
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        return None
    return start.result()


def open_door(host: str, port: int) -> socket.socket:
    """The listening socket that every edge shares; raises SettingsError for a place that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"the edge cannot listen on {host} port {port} (MILLRACE_EDGE_HOST, MILLRACE_EDGE_PORT): "
            f"{error.strerror}"
        ) from error


def make_state_folder(state: Path) -> None:
    """Makes the folder for its owner alone; as root others may pass through, PostgreSQL's account must.

    Raises SettingsError for a folder that cannot be written, or that holds anything but a stack's state:
    its mode is about to be changed, and `make clean` removes it whole.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        if any(state.iterdir()) and not (state / SUPERVISOR_LOCK).exists():
            raise SettingsError(f"MILLRACE_STATE_DIR: {state} is not empty and not a stack's state folder")
        state.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (state / SUPERVISOR_LOCK).touch()
    except OSError as error:
        raise SettingsError(f"MILLRACE_STATE_DIR: {state} cannot be used: {error.strerror}") from error
