"""A link as the edges serve it: the program's settings folded in, its destination judged once more.

Bringing the snapshot to Redis is done by `publishing`.
"""

from functools import lru_cache

from millrace.streams.links import LinkSnapshot, LinkStatus
from server.affiliate.destinations import DestinationRules, RefusedDestination, check_destination
from server.affiliate.models import Link, Program

_DAY_SECONDS = 86_400


@lru_cache(maxsize=8)
def _cached_rules(allowed_hosts: tuple[str, ...], public_url: str) -> DestinationRules:
    return DestinationRules.of(allowed_hosts, public_url)


def destination_rules(program: Program, public_url: str) -> DestinationRules:
    """What the program allows; `public_url` is the base of our own short URLs."""
    return _cached_rules(tuple(program.allowed_destination_hosts), public_url)


def snapshot_of(link: Link, program: Program, rules: DestinationRules) -> LinkSnapshot:
    """What an edge needs to serve the link.

    A destination that the program no longer allows is served as if the link were disabled. The version
    is the sum of two counters that only grow, so every change of either makes a newer snapshot.
    """
    allowed = _is_allowed(link.destination_url, rules)
    return LinkSnapshot(
        version=link.version + program.version,
        status=LinkStatus.ACTIVE if allowed and link.status == "ACTIVE" else LinkStatus.DISABLED,
        link_id=link.link_id.bytes,
        partner_id=link.partner_id.bytes,
        product_id=link.product_id,
        destination=link.destination_url,
        fallback_url=_first_allowed((link.fallback_url, program.fallback_url), rules),
        expires_at_ms=None if link.expires_at is None else round(link.expires_at.timestamp() * 1000),
        forward_query=link.forward_query,
        click_id_parameter=link.click_id_parameter,
        attribution_window_s=program.attribution_window_days * _DAY_SECONDS,
    )


def _first_allowed(urls: tuple[str | None, ...], rules: DestinationRules) -> str | None:
    return next((url for url in urls if url is not None and _is_allowed(url, rules)), None)


def _is_allowed(url: str, rules: DestinationRules) -> bool:
    try:
        check_destination(url, rules)
    except RefusedDestination:
        return False
    return True
