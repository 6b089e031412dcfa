"""Links and their statistics, from protobuf to what the services take, and back."""

from datetime import UTC, datetime

from millrace.affiliate.v1.affiliate_service_pb2 import CreateLinkRequest
from millrace.affiliate.v1.link_pb2 import Link as LinkMessage
from millrace.affiliate.v1.link_pb2 import LinkStats, ResolvedLink
from millrace.streams.ids import id_text
from millrace.streams.links import LinkSnapshot
from server.affiliate.models import Link
from server.affiliate.service.link_requests import NewLink
from server.affiliate.service.links import LinkEdit
from server.affiliate.service.statistics import LinkStatistics
from server.affiliate.servicer.values import (
    commission_message,
    instant,
    read_commission,
    read_id,
    read_instant,
)


def new_link(request: CreateLinkRequest) -> NewLink:
    """What a CreateLinkRequest asks for; raises InvalidArgument for values that cannot be read."""
    return NewLink(
        partner_id=read_id(request.partner_id) if request.partner_id else None,
        product_id=request.product_id or None,
        destination_url=request.destination_url or None,
        custom_code=request.custom_code or None,
        commission=read_commission(request, "commission"),
        expires_at=read_instant(request, "expires_at"),
        campaign=request.campaign or None,
        forward_query=request.forward_query,
        click_id_parameter=request.click_id_parameter or None,
        fallback_url=request.fallback_url or None,
        request_id=request.request_id or None,
    )


def link_edit(link: LinkMessage, paths: frozenset[str]) -> LinkEdit:
    """The new values of the fields in `paths`; raises InvalidArgument for values that cannot be read."""
    return LinkEdit(
        paths=paths,
        destination_url=link.destination_url or None,
        commission=read_commission(link, "commission") if "commission" in paths else None,
        campaign=link.campaign or None,
        forward_query=link.forward_query,
        click_id_parameter=link.click_id_parameter or None,
        fallback_url=link.fallback_url or None,
        expires_at=read_instant(link, "expires_at") if "expires_at" in paths else None,
    )


def link_message(link: Link, public_url: str) -> LinkMessage:
    """The link as the contract shows it; `public_url` is the base of short URLs, without a final slash."""
    return LinkMessage(
        link_id=str(link.link_id),
        partner_id=str(link.partner_id),
        product_id=link.product_id,
        destination_url=link.destination_url,
        tracking_code=link.tracking_code,
        short_code=link.short_code,
        short_url=f"{public_url}/l/{link.short_code}",
        status=LinkMessage.Status.Value(link.status),
        commission=commission_message(link.commission),
        campaign=link.campaign,
        forward_query=link.forward_query,
        click_id_parameter=link.click_id_parameter,
        fallback_url=link.fallback_url,
        expires_at=instant(link.expires_at),
        created_at=instant(link.created_at),
        updated_at=instant(link.updated_at),
    )


def resolved_link(short_code: str, snapshot: LinkSnapshot) -> ResolvedLink:
    """A snapshot as the contract shows it."""
    expires_at_ms = snapshot.expires_at_ms
    return ResolvedLink(
        short_code=short_code,
        link_id=id_text(snapshot.link_id),
        partner_id=id_text(snapshot.partner_id),
        product_id=snapshot.product_id,
        destination_url=snapshot.destination,
        status=LinkMessage.Status.Value(snapshot.status.name),
        expires_at=(
            None if expires_at_ms is None else instant(datetime.fromtimestamp(expires_at_ms / 1000, UTC))
        ),
        fallback_url=snapshot.fallback_url,
        forward_query=snapshot.forward_query,
        click_id_parameter=snapshot.click_id_parameter,
        version=snapshot.version,
        attribution_window_seconds=snapshot.attribution_window_s,
    )


def statistics_message(statistics: LinkStatistics) -> LinkStats:
    """A link's clicks as the contract shows them."""
    points = [
        LinkStats.Point(
            date=day.day.isoformat(), human_clicks=day.human, unique_clicks=day.unique, bot_clicks=day.bot
        )
        for day in statistics.days
    ]
    return LinkStats(
        link_id=str(statistics.link_id),
        human_clicks=statistics.human,
        unique_clicks=statistics.unique,
        bot_clicks=statistics.bot,
        as_of=instant(statistics.as_of),
        series=points,
        time_zone=statistics.time_zone,
    )
