"""The probe gateway, started once for all tests of the translator."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.rest.probe import Probe, running_probe


@pytest.fixture(scope="session")
async def probe() -> AsyncIterator[Probe]:
    async with running_probe() as running:
        yield running
