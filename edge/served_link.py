"""A link ready to be followed: everything about it that does not depend on the visit, worked out once."""

from typing import Self

import msgspec

from edge.destinations import is_followable, location
from millrace.streams.links import LinkSnapshot, LinkStatus


class ServedLink(msgspec.Struct, frozen=True, gc=False):
    """A snapshot with its destinations judged and spelt as header values.

    `target` is None when the link must not be followed: it is disabled, or its destination is none.
    `fallback` is None when there is nowhere else to go.
    """

    link: LinkSnapshot
    target: str | None
    fallback: str | None

    @classmethod
    def of(cls, link: LinkSnapshot) -> Self:
        followed = link.status == LinkStatus.ACTIVE and is_followable(link.destination)
        fallback = link.fallback_url
        return cls(
            link,
            location(link.destination) if followed else None,
            location(fallback) if fallback is not None and is_followable(fallback) else None,
        )

    def target_at(self, now_ms: int) -> str | None:
        """Where the link leads at this moment, before its options; None once it has ended."""
        expires_at_ms = self.link.expires_at_ms
        return self.target if expires_at_ms is None or now_ms < expires_at_ms else None
