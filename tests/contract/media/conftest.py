"""Pictures over a real PostgreSQL and a real S3 server, with a bucket for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.assembly import build_media
from server.media.settings import MediaSettings
from server.media.store import ObjectStore
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules
from server.standalone.backing import s3
from tests.contract.media.pictures import Pictures

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

PUBLIC_URL = "https://pictures.example/of"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
async def s3_server(services_folder: Path) -> AsyncIterator[s3.ObjectStore]:
    """An S3 server for the whole session. Tests that stop one start their own."""
    state = services_folder / "media"
    state.mkdir()
    async with s3.running_object_store(state) as (server, _):
        yield server


@pytest.fixture(scope="session")
async def s3_operator(s3_server: s3.ObjectStore) -> AsyncIterator[S3Client]:
    """Makes buckets: the server does not see folders that appear behind its back."""
    from aiobotocore.session import get_session

    opened = get_session().create_client(
        "s3",
        endpoint_url=s3_server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=s3_server.access_key,
        aws_secret_access_key=s3_server.secret_key,
    )
    async with opened as client:
        yield client


@pytest.fixture
async def media_settings(s3_server: s3.ObjectStore, s3_operator: S3Client) -> MediaSettings:
    """Settings of a store whose bucket is the test's own, and empty."""
    bucket = f"test-{next(_numbers)}"
    await s3_operator.create_bucket(Bucket=bucket)
    return MediaSettings(
        s3_endpoint=s3_server.endpoint,
        s3_bucket=bucket,
        s3_access_key=s3_server.access_key,
        s3_secret_key=SecretStr(s3_server.secret_key),
        media_public_url=PUBLIC_URL,
    )


@pytest.fixture
async def store(media_settings: MediaSettings) -> AsyncIterator[ObjectStore]:
    """The store over that bucket."""
    store = ObjectStore(media_settings)
    yield store
    await store.close()


@pytest.fixture(scope="session")
def media_rules() -> ContractRules:
    """The contract's rules, which take a moment to compile."""
    return ContractRules()


@pytest.fixture
async def pictures(
    sessions: Sessions, store: ObjectStore, media_settings: MediaSettings, media_rules: ContractRules
) -> Pictures:
    """The media service, as an admin calls it."""
    servicer = build_media(
        sessions=sessions,
        store=store,
        jobs=Jobs(lambda queue: None),
        variant_sets=media_settings.variant_sets,
        page_tokens=PageTokens([b"a secret for pages"]),
    )
    return Pictures(servicer, media_rules, sessions, store)
