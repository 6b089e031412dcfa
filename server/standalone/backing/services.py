"""All backing services of one stack: those to start here, and those whose address was given."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from server.standalone.backing import mailbox, postgres, redis, s3
from server.standalone.backing.given import require_redis
from server.standalone.children import ChildSpec
from server.standalone.ports import RememberedPorts
from server.standalone.settings import Settings, SettingsError


@dataclass(frozen=True, kw_only=True)
class BackingServices:
    """Addresses of everything, and the children that must run for them to answer.

    `own_postgres` is the cluster that we keep; None when its address was given.
    """

    children: tuple[ChildSpec, ...]
    own_postgres: postgres.Postgres | None
    postgres_dsn: str
    redis_url: str
    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: str
    s3_bucket: str
    smtp: str
    mailbox_url: str


async def prepare_services(settings: Settings, ports: RememberedPorts, logs: Path) -> BackingServices:
    """Finds the programs and makes what is not on disk yet; starts nothing that stays."""
    children: list[ChildSpec] = []
    cluster = await _cluster(settings, ports)
    if cluster:
        children.append(cluster.child(logs / "postgres.log"))
    redis_url = settings.redis_url
    if redis_url is not None:
        await require_redis(redis_url)
    else:
        stream_server = redis.prepare(settings.state, port=ports.port("redis"))
        children.append(stream_server.child(logs / "redis.log"))
        redis_url = stream_server.url
    store = _object_store(settings, ports, logs, children)
    smtp, mailbox_url = _mailbox(settings, ports, logs, children)
    return BackingServices(
        children=tuple(children),
        own_postgres=cluster,
        postgres_dsn=cluster.dsn() if cluster else settings.postgres_dsn or "",
        redis_url=redis_url,
        s3_endpoint=store[0],
        s3_access_key=store[1],
        s3_secret_key=store[2],
        s3_bucket=store[3],
        smtp=smtp,
        mailbox_url=mailbox_url,
    )


async def _cluster(settings: Settings, ports: RememberedPorts) -> postgres.Postgres | None:
    if settings.postgres_dsn:
        return None
    port = ports.port("postgres")
    # The first start runs initdb, and the others need not wait for it.
    return await asyncio.to_thread(
        postgres.prepare, settings.state, port=port, account_name=settings.postgres_account
    )


def _object_store(
    settings: Settings, ports: RememberedPorts, logs: Path, children: list[ChildSpec]
) -> tuple[str, str, str, str]:
    if settings.s3_endpoint is None:
        store = s3.prepare(settings.state, port=ports.port("s3"))
        children.append(store.child(logs / "s3.log"))
        return store.endpoint, store.access_key, store.secret_key, store.bucket
    keys = [settings.given(name) for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET")]
    if not all(keys):
        raise SettingsError(
            "MILLRACE_S3_ENDPOINT needs MILLRACE_S3_ACCESS_KEY, MILLRACE_S3_SECRET_KEY and MILLRACE_S3_BUCKET"
        )
    return (settings.s3_endpoint, keys[0], keys[1], keys[2])


def _mailbox(
    settings: Settings, ports: RememberedPorts, logs: Path, children: list[ChildSpec]
) -> tuple[str, str]:
    if settings.smtp is not None:
        return settings.smtp, settings.given("MAILBOX_URL")
    box = mailbox.prepare(settings.state, smtp_port=ports.port("smtp"), http_port=ports.port("mailbox"))
    children.append(box.child(logs / "mailbox.log"))
    return box.smtp, box.url
