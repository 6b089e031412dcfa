"""What the edge itself knows of who sends events: person or bot, device, country."""

from __future__ import annotations

from typing import Final

from edge.classification import classify
from edge.request_head import RequestHead
from millrace.streams.event_input import Origin

# ISO 3166 leaves ZZ to its users; to CDNs, XX is what they do not know.
UNKNOWN_COUNTRY: Final = "ZZ"
_NO_COUNTRIES: Final = frozenset({"XX", UNKNOWN_COUNTRY})


class Origins:
    """Judges the sender of a request once, for all its events.

    `country_header`: where our own proxies write the country; nobody else's word is taken for it.
    """

    def __init__(self, country_header: str | None) -> None:
        self._country_header = country_header

    def of(self, request: RequestHead) -> Origin:
        visit = classify(request.headers)
        return Origin(human=visit.human, device=visit.device, country=self._country(request))

    def _country(self, request: RequestHead) -> str:
        if self._country_header is None or not request.peer.trusted:
            return UNKNOWN_COUNTRY
        country = request.headers.get(self._country_header, "").strip().upper()
        is_code = len(country) == 2 and country.isascii() and country.isalpha()
        return country if is_code and country not in _NO_COUNTRIES else UNKNOWN_COUNTRY
