"""Clients of the session's Valkey, and Valkeys of a test's own that may be frozen and killed."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.streams.own_valkey import OwnValkey

# Long enough for a busy machine: tests that want a timeout ask for a short one.
PATIENT_SECONDS = 5.0


@pytest.fixture
def keys(redis_prefix: str) -> StreamKeys:
    """Key names that no other test uses, in several shards."""
    return StreamKeys(redis_prefix, shards=4)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[PipeliningRedis]:
    """A patient client of the session's Valkey."""
    async with await PipeliningRedis.open(redis_url, timeout=PATIENT_SECONDS) as client:
        yield client


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    """A running Valkey of this test's own, empty, without a log."""
    with OwnValkey(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def cluster_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    """A Valkey in cluster mode that serves every slot alone; it takes two seconds to call itself ready."""
    with OwnValkey(tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes") as server:
        server.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        server.wait_until("CLUSTER", "INFO", answers="cluster_state:ok")
        yield server
