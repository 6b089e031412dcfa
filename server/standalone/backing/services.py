"""All backing services of one stack: those to start here, and those whose address was given."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from server.standalone.backing import mailbox, object_store, postgres, redis
from server.standalone.backing.given import require_redis
from server.standalone.children import ChildSpec
from server.standalone.ports import RememberedPorts
from server.standalone.settings import Settings


@dataclass(frozen=True, kw_only=True)
class BackingServices:
    """Addresses of everything, and the children that must run for them to answer.

    `own_postgres` is the cluster that we keep; None when its address was given.
    """

    children: tuple[ChildSpec, ...]
    own_postgres: postgres.Postgres | None
    postgres_dsn: str
    redis_url: str
    pictures: object_store.PictureStore
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
    pictures = object_store.prepare(settings, ports, logs, children)
    smtp, mailbox_url = _mailbox(settings, ports, logs, children)
    return BackingServices(
        children=tuple(children),
        own_postgres=cluster,
        postgres_dsn=cluster.dsn() if cluster else settings.postgres_dsn or "",
        redis_url=redis_url,
        pictures=pictures,
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


def _mailbox(
    settings: Settings, ports: RememberedPorts, logs: Path, children: list[ChildSpec]
) -> tuple[str, str]:
    if settings.smtp is not None:
        return settings.smtp, settings.given("MAILBOX_URL")
    box = mailbox.prepare(settings.state, smtp_port=ports.port("smtp"), http_port=ports.port("mailbox"))
    children.append(box.child(logs / "mailbox.log"))
    return box.smtp, box.url
