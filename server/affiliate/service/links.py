"""Use cases of existing links: reading, changing, switching off and on, and resolving a code."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from millrace.streams.links import LinkSnapshot
from server.affiliate.codes import LONGEST, normalise_code
from server.affiliate.commission import Commission
from server.affiliate.models import Link, Partner, Program
from server.affiliate.partner_status import PartnerStatus
from server.affiliate.publishing import SnapshotPublisher
from server.affiliate.repository.links import LinkFilter, LinkRepository
from server.affiliate.service import fields
from server.affiliate.service.changes import changed_values
from server.affiliate.service.errors import (
    CommissionNotAllowed,
    LinkNotFound,
    PartnerNotActive,
    PartnerNotFound,
)
from server.affiliate.service.link_creation import FindSlug, product_url
from server.affiliate.service.publication import enqueue_publication
from server.affiliate.snapshots import destination_rules, snapshot_of
from server.audit import AuditRepository
from server.auth.actor import Actor
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs


@dataclass(frozen=True, slots=True)
class LinkEdit:
    """New values of a link's fields; only those named in `paths` count."""

    paths: frozenset[str]
    destination_url: str | None
    commission: Commission | None
    campaign: str | None
    forward_query: bool
    click_id_parameter: str | None
    fallback_url: str | None
    expires_at: datetime | None


class LinkService:
    """Constructor: session factory, snapshot publisher, job queue, the catalogue's answer to "which slug has
    this product?", and the base of our short URLs."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        publisher: SnapshotPublisher,
        jobs: Jobs,
        find_slug: FindSlug,
        public_url: str,
    ) -> None:
        self._sessions = sessions
        self._publisher = publisher
        self._jobs = jobs
        self._find_slug = find_slug
        self._public_url = public_url

    async def read(self, actor: Actor, link_id: uuid.UUID) -> Link:
        """The link; raises LinkNotFound, also for another partner's."""
        async with self._sessions() as session:
            link = await LinkRepository(session).find(link_id)
        if link is None or not actor.may_see(link.partner_id):
            raise LinkNotFound
        return link

    async def page(
        self, actor: Actor, wanted: LinkFilter, *, size: int, after: uuid.UUID | None
    ) -> list[Link]:
        """At most `size` links older than `after`, newest first; of a partner, only its own.

        Raises PartnerNotFound when a partner asks for another one's.
        """
        if wanted.partner_id is not None and not actor.may_see(wanted.partner_id):
            raise PartnerNotFound(wanted.partner_id)
        seen = LinkFilter(
            partner_id=wanted.partner_id or actor.partner_id,
            status=wanted.status,
            product_id=fields.optional_line("product_id", wanted.product_id),
            campaign=fields.optional_line("campaign", wanted.campaign),
        )
        async with self._sessions() as session:
            return await LinkRepository(session).page(seen, size=size, after=after)

    async def update(self, actor: Actor, link_id: uuid.UUID, edit: LinkEdit) -> Link:
        """Changes the fields named in `edit.paths`, all or none, and publishes the link.

        A product's link whose destination is cleared leads to the product's page again. Raises
        LinkNotFound, PartnerNotActive, CommissionNotAllowed, InvalidArgument naming the field.
        """
        if "commission" in edit.paths and not actor.is_admin:
            raise CommissionNotAllowed
        page_slug = await self._slug_for_cleared_destination(actor, link_id, edit)

        def apply(link: Link, program: Program) -> None:
            rules = destination_rules(program, self._public_url)
            if "destination_url" in edit.paths:
                url = edit.destination_url or product_url(program, link.product_id, page_slug)
                link.destination_url = fields.destination("destination_url", url, rules)
            if "fallback_url" in edit.paths:
                link.fallback_url = fields.optional_destination("fallback_url", edit.fallback_url, rules)
            for path in edit.paths & _PLAIN.keys():
                _PLAIN[path](link, edit)
            if edit.paths & {"destination_url", "click_id_parameter"}:
                fields.free_parameter("click_id_parameter", link.click_id_parameter, link.destination_url)

        return await self._change(actor, link_id, "link.update", apply)

    async def disable(self, actor: Actor, link_id: uuid.UUID) -> Link:
        """Stops serving the link; repeating it changes nothing. Raises LinkNotFound."""

        def apply(link: Link, _program: Program) -> None:
            link.status = "DISABLED"

        return await self._change(actor, link_id, "link.disable", apply, needs_active=False)

    async def enable(self, actor: Actor, link_id: uuid.UUID) -> Link:
        """Serves the link again; repeating it changes nothing. Raises LinkNotFound, PartnerNotActive."""

        def apply(link: Link, _program: Program) -> None:
            link.status = "ACTIVE"

        return await self._change(actor, link_id, "link.enable", apply)

    async def resolve(self, code: str) -> tuple[str, LinkSnapshot]:
        """The normalised code and what to serve under it, published anew; raises LinkNotFound."""
        short_code = normalise_code(code)
        if not short_code.isascii() or not short_code.isprintable() or len(short_code) > LONGEST:
            raise LinkNotFound
        async with self._sessions() as session:
            found = await LinkRepository(session).find_by_code(short_code)
        if found is None:
            raise LinkNotFound
        snapshot = await self._publish(*found)
        return short_code, snapshot

    async def _change(
        self,
        actor: Actor,
        link_id: uuid.UUID,
        action: str,
        apply: Callable[[Link, Program], None],
        *,
        needs_active: bool = True,
    ) -> Link:
        async with self._sessions.begin() as session:
            found = await LinkRepository(session).lock(link_id)
            if found is None or not actor.may_see(found[0].partner_id):
                raise LinkNotFound
            link, partner, program = found
            if needs_active:
                _require_active(actor, partner)
            apply(link, program)
            before, after = changed_values(link)
            if after:
                link.version += 1
                link.updated_at = datetime.now(UTC)
                await enqueue_publication(self._jobs, session, link)
            if after and actor.is_admin:
                AuditRepository(session).add(
                    actor, action, f"link/{link.link_id}", before=before, after=after
                )
        # Also when nothing changed: a repeated call heals a publication that was lost.
        await self._publish(link, program)
        return link

    async def _publish(self, link: Link, program: Program) -> LinkSnapshot:
        snapshot = snapshot_of(link, program, destination_rules(program, self._public_url))
        await self._publisher.try_publish(link.short_code, snapshot)
        return snapshot

    async def _slug_for_cleared_destination(
        self, actor: Actor, link_id: uuid.UUID, edit: LinkEdit
    ) -> str | None:
        if "destination_url" not in edit.paths or edit.destination_url:
            return None
        product_id = (await self.read(actor, link_id)).product_id
        return None if product_id is None else await self._find_slug(product_id)


def _require_active(actor: Actor, partner: Partner) -> None:
    # Admins mend links whatever the partner's standing; a suspended partner changes nothing shoppers see.
    if not actor.is_admin and partner.status != PartnerStatus.ACTIVE:
        raise PartnerNotActive(partner.status)


def _set_commission(link: Link, edit: LinkEdit) -> None:
    link.commission = edit.commission


def _set_campaign(link: Link, edit: LinkEdit) -> None:
    link.campaign = fields.optional_line("campaign", edit.campaign)


def _set_forward_query(link: Link, edit: LinkEdit) -> None:
    link.forward_query = edit.forward_query


def _set_click_id_parameter(link: Link, edit: LinkEdit) -> None:
    link.click_id_parameter = edit.click_id_parameter or None


def _set_expires_at(link: Link, edit: LinkEdit) -> None:
    link.expires_at = fields.future_instant("expires_at", edit.expires_at)


_PLAIN: Mapping[str, Callable[[Link, LinkEdit], None]] = {
    "commission": _set_commission,
    "campaign": _set_campaign,
    "forward_query": _set_forward_query,
    "click_id_parameter": _set_click_id_parameter,
    "expires_at": _set_expires_at,
}
