"""The jobs service on a PostgreSQL of the test's own."""

from collections.abc import AsyncIterator

import pytest

from server.db.engine import make_engine, make_sessions
from server.jobs.edits import DeclaredTasks
from server.jobs.enqueueing import Jobs
from server.jobs.service import JobsService
from server.jobs.servicer import JobsServicer
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules
from tests.contract.jobs_service.operators import SEND, Operators


@pytest.fixture
async def operators(postgres_dsn: str) -> AsyncIterator[Operators]:
    engine = make_engine(postgres_dsn)
    sessions = make_sessions(engine)
    nudged: list[str] = []
    service = JobsService(sessions, jobs=Jobs(nudged.append), tasks=DeclaredTasks([SEND]))
    servicer = JobsServicer(service, page_tokens=PageTokens([b"a secret for pages"]))
    yield Operators(servicer, ContractRules(), sessions, nudged)
    await engine.dispose()
