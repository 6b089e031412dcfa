"""What befalls a stack under fire, one fault a function; MISFORTUNES are those that pass by themselves."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable

from tests.e2e.conftest import eventually
from tests.e2e.fire_ground import FireGround

BACK_SECONDS = 30.0

Act = Callable[[FireGround], Awaitable[None]]


async def pause() -> None:
    """A moment of chance."""
    await asyncio.sleep(random.uniform(0.2, 0.8))  # noqa: S311


async def kill(ground: FireGround, name: str) -> None:
    """Kills it and returns when it is back."""
    services = {"redis": ground.redis, "postgres": ground.postgres}
    if name not in services:
        await end_child(ground, name)
        return
    await services[name].kill()
    await services[name].start()


async def end_child(ground: FireGround, name: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Ends a process of ours and waits until the supervisor has it ready again."""
    stack = ground.stack
    backs = stack.times_back(name)
    os.kill(stack.pid_of(name), number)

    async def is_back() -> bool:
        return stack.times_back(name) > backs

    await eventually(is_back, within_seconds=BACK_SECONDS)


async def stop_redis(ground: FireGround) -> None:
    await ground.redis.stop()


async def start_redis(ground: FireGround) -> None:
    await ground.redis.start()


async def freeze_redis(ground: FireGround) -> None:
    ground.redis.freeze()


async def thaw_redis(ground: FireGround) -> None:
    ground.redis.thaw()


async def fill_redis(ground: FireGround) -> None:
    await ground.set_memory_limit("1mb")


async def widen_redis(ground: FireGround) -> None:
    await ground.set_memory_limit("0")


async def redis_dies(ground: FireGround) -> None:
    await ground.redis.kill()
    await ground.redis.start()


async def redis_stops(ground: FireGround) -> None:
    await ground.redis.stop()
    await pause()
    await ground.redis.start()


async def redis_freezes(ground: FireGround) -> None:
    ground.redis.freeze()
    await pause()
    ground.redis.thaw()


async def redis_fills_up(ground: FireGround) -> None:
    await ground.set_memory_limit("1mb")
    await pause()
    await ground.set_memory_limit("0")


async def postgres_dies(ground: FireGround) -> None:
    await ground.postgres.kill()
    await ground.postgres.start()


async def postgres_stops(ground: FireGround) -> None:
    await ground.postgres.stop()
    await pause()
    await ground.postgres.start()


async def drain_dies(ground: FireGround) -> None:
    await end_child(ground, "drain")


async def edge_dies(ground: FireGround) -> None:
    await end_child(ground, random.choice(("edge-1", "edge-2")))  # noqa: S311


MISFORTUNES: tuple[tuple[Act, ...], ...] = (
    (redis_dies, redis_stops, redis_freezes, redis_fills_up),
    (postgres_dies, postgres_stops),
    (drain_dies, edge_dies),
)
