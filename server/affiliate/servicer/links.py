"""RPCs of links."""

import uuid
from typing import Any

from millrace.affiliate.v1 import affiliate_service_pb2 as rpc
from millrace.affiliate.v1.link_pb2 import Link as LinkMessage
from millrace.affiliate.v1.link_pb2 import LinkStats, ResolvedLink
from server.affiliate.repository.links import LinkFilter
from server.affiliate.service.link_creation import LinkCreation
from server.affiliate.service.links import LinkService
from server.affiliate.service.statistics import StatisticsService
from server.affiliate.servicer.link_messages import (
    link_edit,
    link_message,
    new_link,
    resolved_link,
    statistics_message,
)
from server.affiliate.servicer.masks import paths_to_change
from server.affiliate.servicer.values import read_id, read_instant
from server.auth.actor import current_actor
from server.rpc.pages import PageTokens


class LinkRpcs:
    """Every RPC whose resource is a link."""

    def __init__(
        self,
        creation: LinkCreation,
        links: LinkService,
        statistics: StatisticsService,
        page_tokens: PageTokens,
        public_url: str,
    ) -> None:
        self._creation = creation
        self._links = links
        self._statistics = statistics
        self._link_pages = page_tokens
        self._public_url = public_url.rstrip("/")

    async def CreateLink(self, request: rpc.CreateLinkRequest, context: Any) -> LinkMessage:  # noqa: N802
        link = await self._creation.create(current_actor(), new_link(request))
        return link_message(link, self._public_url)

    async def GetLink(self, request: rpc.GetLinkRequest, context: Any) -> LinkMessage:  # noqa: N802
        link = await self._links.read(current_actor(), read_id(request.link_id))
        return link_message(link, self._public_url)

    async def ListLinks(self, request: rpc.ListLinksRequest, context: Any) -> rpc.ListLinksResponse:  # noqa: N802
        actor = current_actor()
        page = self._link_pages.open(request, caller=actor.principal.identity)
        after = uuid.UUID(str(page.after[0])) if page.after else None
        wanted = LinkFilter(
            partner_id=read_id(request.partner_id) if request.partner_id else None,
            status=LinkMessage.Status.Name(request.status) if request.status else None,
            product_id=request.product_id or None,
            campaign=request.campaign or None,
        )
        # One more than asked for tells whether there is a next page.
        found = await self._links.page(actor, wanted, size=page.size + 1, after=after)
        shown = found[: page.size]
        answer = rpc.ListLinksResponse(links=[link_message(link, self._public_url) for link in shown])
        if len(found) > page.size:
            position = (str(shown[-1].link_id),)
            answer.next_page_token = self._link_pages.seal(
                request, caller=actor.principal.identity, after=position
            )
        return answer

    async def UpdateLink(self, request: rpc.UpdateLinkRequest, context: Any) -> LinkMessage:  # noqa: N802
        paths = paths_to_change(request.link, request.update_mask, identity="link_id")
        link = await self._links.update(
            current_actor(), read_id(request.link.link_id), link_edit(request.link, paths)
        )
        return link_message(link, self._public_url)

    async def DisableLink(self, request: rpc.DisableLinkRequest, context: Any) -> LinkMessage:  # noqa: N802
        link = await self._links.disable(current_actor(), read_id(request.link_id))
        return link_message(link, self._public_url)

    async def EnableLink(self, request: rpc.EnableLinkRequest, context: Any) -> LinkMessage:  # noqa: N802
        link = await self._links.enable(current_actor(), read_id(request.link_id))
        return link_message(link, self._public_url)

    async def GetLinkStats(self, request: rpc.GetLinkStatsRequest, context: Any) -> LinkStats:  # noqa: N802
        statistics = await self._statistics.of_link(
            current_actor(),
            read_id(request.link_id),
            read_instant(request, "start"),
            read_instant(request, "end"),
        )
        return statistics_message(statistics)

    async def ResolveLink(self, request: rpc.ResolveLinkRequest, context: Any) -> ResolvedLink:  # noqa: N802
        short_code, snapshot = await self._links.resolve(request.short_code)
        return resolved_link(short_code, snapshot)
