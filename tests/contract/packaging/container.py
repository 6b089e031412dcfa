"""Runs commands of the image as an engine would: its entry, environment, account and work folder."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.image_steps import Stage

START_SECONDS = 90.0


@dataclass
class Container:
    """One command of the image with its environment."""

    image: Stage
    environment: Mapping[str, str]

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """The started entry with these words behind it; its output is ours."""
        return await self._spawn(*self.image.entrypoint, *words)

    async def run(self, program: str, *arguments: str) -> tuple[int, str, str]:
        """A program of the image run to its end: exit code, standard output and standard error."""
        process = await self._spawn(program, *arguments, piped=True)
        said, complained = await process.communicate()
        return process.returncode or 0, said.decode(), complained.decode()

    async def becomes_healthy(self, process: asyncio.subprocess.Process, *health: str) -> None:
        """Asks as an engine does until the answer is yes. Raises RuntimeError when it never is."""
        complaint = b""
        try:
            async with asyncio.timeout(START_SECONDS):
                while process.returncode is None:
                    asked = await self._spawn(*health, piped=True)
                    _, complaint = await asked.communicate()
                    if asked.returncode == 0:
                        return
        except TimeoutError:
            pass
        raise RuntimeError(f"not healthy, ended with {process.returncode}: {complaint.decode()}")

    async def _spawn(self, program: str, *arguments: str, piped: bool = False) -> asyncio.subprocess.Process:
        # No variable of this machine's gets in, and an engine sets HOME=/ for an account without an entry.
        environment = {"HOME": "/", **self.image.environment, **self.environment}
        environment["PATH"] = environment["PATH"].replace(os.environ["PATH"], "/usr/bin:/bin")
        # The copied Python may look for its library where this account cannot go; the image's finds its own.
        environment["LD_LIBRARY_PATH"] = str(self.image.base / "lib")
        uid, gid = map(int, self.image.user.split(":"))
        account: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": ()} if os.geteuid() == 0 else {}
        output = asyncio.subprocess.PIPE if piped else None
        path = environment["PATH"].partition(":")[0]
        return await asyncio.create_subprocess_exec(
            f"{path}/{program}",
            *arguments,
            cwd=self.image.place("."),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **account,
        )


async def stop(process: asyncio.subprocess.Process, image: Stage, *, within: float) -> int:
    """Sends the image's stop signal and returns the exit code. Raises TimeoutError when it does not end."""
    if process.returncode is None:
        process.send_signal(signal.Signals[image.stop_signal])
    async with asyncio.timeout(within):
        return await process.wait()
