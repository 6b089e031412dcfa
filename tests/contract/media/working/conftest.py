"""The ground of every test of the worker's side."""

import pytest

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.store import ObjectStore
from tests.contract.media.working.ground import Ground


@pytest.fixture
def ground(sessions: Sessions, store: ObjectStore) -> Ground:
    return Ground(sessions, store, Jobs(lambda queue: None))
