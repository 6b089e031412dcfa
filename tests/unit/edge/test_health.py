"""When an edge calls itself ready."""

import json
from typing import Any

import pytest

from edge.health import Health


async def up() -> str:
    return "up"


async def broken() -> str:
    raise ConnectionError


async def readiness(health: Health) -> tuple[int, Any]:
    response = await health.ready()
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


@pytest.mark.parametrize(
    ("redis", "server", "streams", "stopping", "status"),
    [
        (up, up, "up", False, 200),
        (broken, up, "up", False, 200),
        (up, broken, "up", False, 200),
        (broken, broken, "up", False, 503),
        (up, up, "full", False, 503),
        (up, up, "up", True, 503),
    ],
)
async def test_readiness(redis: Any, server: Any, streams: str, stopping: bool, status: int) -> None:
    """One dependency is enough; every condition must hold; who stops is not ready."""
    health = Health(
        {"redis": redis, "server": server},
        is_stopping=lambda: stopping,
        conditions={"streams": lambda: streams},
    )
    assert (await readiness(health))[0] == status


async def test_everything_is_shown() -> None:
    """Also what only is to be read, which decides nothing."""
    health = Health(
        {"redis": up, "server": broken},
        is_stopping=lambda: False,
        conditions={"streams": lambda: "up"},
        notes={"spool": lambda: "full"},
    )
    assert await readiness(health) == (
        200,
        {
            "status": "ready",
            "dependencies": {"redis": "up", "server": "down", "streams": "up", "spool": "full"},
        },
    )
