"""The environment that the tests run in has a fit library of pictures, and a worker says which one it is."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from server.media.pictures.library import check_library, library_of_a_fresh_process
from server.standalone.probes import state_of
from workers.health import Health
from workers.monitoring import serving_monitoring
from workers.picture_check import PICTURES, check_pictures

STAMP = Path(sys.prefix) / "millrace-setup.json"
Serving = Callable[..., AbstractAsyncContextManager[None]]


def test_the_environment_has_what_its_set_up_recorded() -> None:
    """Neither library was laid over the other since."""
    recorded = json.loads(STAMP.read_text()).get("pictures") if STAMP.exists() else None
    if recorded is None:
        pytest.skip("this environment was made by another set-up than ours")
    names = {"simd": "pillow-simd", "stock": "pillow"}
    assert check_library().name.split()[0] == names[recorded["library"]]


async def test_a_worker_says_which_library_it_has(unused_port: int) -> None:
    """In its log, at `/readyz` and among its figures."""
    registry, health = CollectorRegistry(), Health([PICTURES])
    with serving_monitoring("127.0.0.1", unused_port, registry, health):
        assert not health.ready
        with capture_logs() as logs:
            await check_pictures(health, registry)
        assert health.ready
        assert await state_of(PICTURES, unused_port) == str(check_library())
        async with aiohttp.ClientSession() as http:
            figures = await (await http.get(f"http://127.0.0.1:{unused_port}/metrics")).text()
    found = check_library()
    expected = {"name": found.name, "webp": True, "avif": True, "icc": True}
    assert [line for line in logs if line["event"] == "picture_library"] == [
        {"event": "picture_library", "log_level": "info", **expected}
    ]
    assert f'millrace_picture_library_info{{avif="true",name="{found.name}",webp="true"}} 1.0' in figures


async def test_a_worker_without_a_fit_library_is_not_ready(
    unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lives, and says what is missing where an operator looks."""
    library_of_a_fresh_process.cache_clear()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    registry, health = CollectorRegistry(), Health([PICTURES])
    with serving_monitoring("127.0.0.1", unused_port, registry, health), capture_logs() as logs:
        await check_pictures(health, registry)
        assert not health.ready
        said = await state_of(PICTURES, unused_port)
    assert said is not None
    assert said.startswith("failing: ")
    assert "make setup" in said
    assert [line["event"] for line in logs] == ["picture_library_unfit"]


async def test_nothing_is_said_where_nothing_listens(unused_port: int) -> None:
    """The banner then leaves its line out."""
    assert await asyncio.wait_for(state_of(PICTURES, unused_port), 5) is None
