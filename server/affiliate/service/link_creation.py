"""The use case of creating a link: where it leads, under which code, once for one request."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from secrets import token_hex

from sqlalchemy.ext.asyncio import AsyncSession

from millrace.streams.ids import new_id_bytes
from server.affiliate.codes import CodeLength, draw_code
from server.affiliate.destinations import RefusedDestination
from server.affiliate.models import Link, Partner, Program
from server.affiliate.partner_status import PartnerStatus
from server.affiliate.product_urls import fill_template
from server.affiliate.publishing import SnapshotPublisher
from server.affiliate.repository.links import LinkRepository
from server.affiliate.repository.partners import PartnerRepository
from server.affiliate.service import fields
from server.affiliate.service.errors import (
    CodesExhausted,
    CodeTaken,
    PartnerNotActive,
    PartnerNotFound,
    PayloadMismatch,
    refused_field,
)
from server.affiliate.service.link_requests import CheckedRequest, NewLink, check_request
from server.affiliate.service.publication import enqueue_publication
from server.affiliate.snapshots import destination_rules, snapshot_of
from server.audit import AuditRepository
from server.auth.actor import Actor
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs

# The slug of the product with this id, or None when no such product is on sale.
FindSlug = Callable[[str], Awaitable[str | None]]

_TRACKING_BYTES = 32


class LinkCreation:
    """Constructor: session factory, snapshot publisher, job queue, the catalogue's answer to "which slug has
    this product?", the base of our short URLs, and how many links this process makes at the same time.

    Those beyond `at_once` wait in line. A partner who makes thousands of links then never takes every
    connection of the pool, which serves its waiters in no order and gives up on the unlucky ones.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        publisher: SnapshotPublisher,
        jobs: Jobs,
        find_slug: FindSlug,
        public_url: str,
        at_once: int = 8,
    ) -> None:
        self._sessions = sessions
        self._publisher = publisher
        self._jobs = jobs
        self._find_slug = find_slug
        self._public_url = public_url
        self._code_length = CodeLength()
        self._turns = asyncio.Semaphore(at_once)

    async def create(self, actor: Actor, asked: NewLink) -> Link:
        """The new link, or the first one of a repeated request.

        Raises PartnerNotFound, PartnerNotActive, CommissionNotAllowed, InvalidArgument naming the field,
        CodeTaken, PayloadMismatch.
        """
        request = check_request(actor, asked)
        async with self._turns:
            # Asked before our transaction begins: the catalogue takes a connection of its own.
            slug = None if request.product_id is None else await self._find_slug(request.product_id)
            async with self._sessions.begin() as session:
                link, made_under = await self._find_or_add(session, request, slug)
                if made_under is not None and actor.is_admin:
                    _note(session, actor, link)
                if made_under is not None:
                    await enqueue_publication(self._jobs, session, link)
        if made_under is not None:
            rules = destination_rules(made_under, self._public_url)
            await self._publisher.try_publish(link.short_code, snapshot_of(link, made_under, rules))
        return link

    async def _find_or_add(
        self, session: AsyncSession, request: CheckedRequest, slug: str | None
    ) -> tuple[Link, Program | None]:
        """The link; with the program it was made under if it was made now, None if it was there already."""
        links = LinkRepository(session)
        earlier = await _repeated(links, request)
        if earlier is not None:
            return earlier, None
        partner, program = await _active_partner(session, request.owner_id)
        draft = self._draft(request, partner, program, slug)
        for code in self._codes(request.custom_code):
            draft.short_code = code
            link = await links.add(draft)
            # What stood in the way may be the same request on another connection.
            earlier = await _repeated(links, request) if link is None else None
            if earlier is not None:
                return earlier, None
            if request.custom_code is None:
                self._code_length.learn(clashed=link is None)
            if link is not None:
                return link, program
        raise CodesExhausted if request.custom_code is None else CodeTaken(request.custom_code)

    def _codes(self, custom_code: str | None) -> Iterator[str]:
        if custom_code is not None:
            yield custom_code
            return
        for length in self._code_length.lengths():
            yield draw_code(length)

    def _draft(self, request: CheckedRequest, partner: Partner, program: Program, slug: str | None) -> Link:
        asked = request.asked
        rules = destination_rules(program, self._public_url)
        if request.product_id is not None and slug is None:
            raise refused_field("product_id", "no product on sale has this id", "PRODUCT_NOT_FOUND")
        url = fields.destination(
            "destination_url", asked.destination_url or product_url(program, request.product_id, slug), rules
        )
        draft = Link(
            link_id=uuid.UUID(bytes=new_id_bytes()),
            partner_id=partner.partner_id,
            product_id=request.product_id,
            destination_url=url,
            tracking_code=token_hex(_TRACKING_BYTES),
            status="ACTIVE",
            campaign=fields.optional_line("campaign", asked.campaign),
            forward_query=asked.forward_query,
            click_id_parameter=fields.free_parameter("click_id_parameter", asked.click_id_parameter, url),
            fallback_url=fields.optional_destination("fallback_url", asked.fallback_url, rules),
            expires_at=fields.future_instant("expires_at", asked.expires_at),
            request_id=request.request_id,
            request_fingerprint=asked.fingerprint() if request.request_id else None,
            version=1,
        )
        draft.commission = asked.commission
        return draft


def product_url(program: Program, product_id: str | None, slug: str | None) -> str:
    """Where the program's template leads for a product; raises InvalidArgument naming `destination_url`."""
    if product_id is None:
        raise refused_field("destination_url", "set it, or a product_id")
    if slug is None:
        raise refused_field("destination_url", "set it: the link's product is not on sale")
    if program.product_url_template is None:
        raise refused_field("destination_url", "set it: the program has no template for product pages")
    try:
        return fill_template(program.product_url_template, product_id=product_id, slug=slug)
    except RefusedDestination as error:
        raise refused_field("destination_url", str(error), "DESTINATION_NOT_ALLOWED") from error


async def _repeated(links: LinkRepository, request: CheckedRequest) -> Link | None:
    """The link that this request made before; raises PayloadMismatch when it asked for something else."""
    if request.request_id is None:
        return None
    earlier = await links.find_by_request(request.owner_id, request.request_id)
    if earlier is not None and earlier.request_fingerprint != request.asked.fingerprint():
        raise PayloadMismatch(request.request_id)
    return earlier


async def _active_partner(session: AsyncSession, partner_id: uuid.UUID) -> tuple[Partner, Program]:
    found = await PartnerRepository(session).find_with_program(partner_id)
    if found is None:
        raise PartnerNotFound(partner_id)
    if found[0].status != PartnerStatus.ACTIVE:
        raise PartnerNotActive(found[0].status)
    return found


def _note(session: AsyncSession, actor: Actor, link: Link) -> None:
    after = {
        "partner_id": str(link.partner_id),
        "short_code": link.short_code,
        "destination_url": link.destination_url,
    }
    AuditRepository(session).add(actor, "link.create", f"link/{link.link_id}", before=None, after=after)
