"""Every task with what runs it, built from what a worker opened."""

from __future__ import annotations

from server.affiliate.publishing import SnapshotPublisher
from server.affiliate.service.programs import ProgramService
from server.affiliate.service.publication import LinkPublication
from server.affiliate.tasks import KEEP_CLICK_PARTITIONS, PUBLISH_LINK
from server.analytics.rebuild import Kept
from server.analytics.tasks import CLOSE_ROLLUPS, ERASE, KEEP_EVENT_PARTITIONS, PROVE_DRIFT
from server.jobs.declared import PING, PROVE, PRUNE
from server.jobs.pruning import Pruning
from server.media.tasks import DELETE_OBJECTS, DELETE_UNUSED, PROCESS_MEDIA, RECONCILE, SWEEP_UPLOADS
from workers.registry import Handlers
from workers.resources import Resources
from workers.tasks.click_partitions import ClickPartitionUpkeep
from workers.tasks.drift import DriftJob
from workers.tasks.erasure import ErasureJob
from workers.tasks.events import EventUpkeep, RollupClosing
from workers.tasks.links import LinkTasks
from workers.tasks.media import MediaTasks
from workers.tasks.pinging import answer_ping
from workers.tasks.proving import Proof
from workers.tasks.pruning import QueuePruning


def all_handlers(resources: Resources) -> Handlers:
    """The handlers of all tasks there are. They close nothing."""
    settings = resources.settings
    publication = LinkPublication(
        resources.urgent_sessions,
        publisher=SnapshotPublisher(resources.redis, resources.stream_keys),
        public_url=settings.public_url,
    )
    pruning = QueuePruning(
        Pruning(resources.sessions), done_days=settings.job_done_days, dead_days=settings.job_dead_days
    )
    click_days = ClickPartitionUpkeep(resources.engine, keep_days=settings.click_retention_days)
    handlers = Handlers()
    handlers.add(PUBLISH_LINK, LinkTasks(publication).publish)
    handlers.add(KEEP_CLICK_PARTITIONS, click_days.run)
    _add_analytics(handlers, resources)
    _add_media(handlers, resources)
    handlers.add(PRUNE, pruning.run)
    handlers.add(PROVE, Proof(resources.engine).run)
    handlers.add(PING, answer_ping)
    return handlers


def _add_analytics(handlers: Handlers, resources: Resources) -> None:
    settings, engine = resources.settings, resources.engine
    redis, keys = resources.redis, resources.stream_keys
    kept = Kept(settings.event_retention_days, settings.click_retention_days)
    upkeep = EventUpkeep(
        engine, keep_days=settings.event_retention_days, keep_months=settings.rollup_retention_months
    )
    handlers.add(KEEP_EVENT_PARTITIONS, upkeep.run)
    programs = ProgramService(resources.sessions, public_url=settings.public_url)
    closing = RollupClosing(engine, find_time_zone=lambda: _time_zone_of(programs))
    handlers.add(CLOSE_ROLLUPS, closing.run)
    handlers.add(PROVE_DRIFT, DriftJob(engine, redis, keys, kept=kept).run)
    handlers.add(ERASE, ErasureJob(engine, redis, keys, keep_days=settings.event_retention_days).run)


def _add_media(handlers: Handlers, resources: Resources) -> None:
    media = MediaTasks(resources)
    handlers.add(PROCESS_MEDIA, media.process)
    handlers.add(DELETE_OBJECTS, media.delete_objects)
    handlers.add(DELETE_UNUSED, media.delete_unused)
    handlers.add(SWEEP_UPLOADS, media.sweep)
    handlers.add(RECONCILE, media.reconcile)


async def _time_zone_of(programs: ProgramService) -> str:
    """In which zone the shop reckons its days; analytics asks the affiliate domain for it through here."""
    return (await programs.read()).time_zone
