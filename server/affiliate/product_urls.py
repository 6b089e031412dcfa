"""The program's product URL template: which placeholders it may hold and how a product fills them.

Whether the result may be a link's destination is decided in `destinations`.
"""

import re
from urllib.parse import quote

from server.affiliate.destinations import DestinationRules, RefusedDestination, check_destination

PLACEHOLDERS = ("slug", "product_id")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def check_template(template: str, rules: DestinationRules) -> str:
    """The template unchanged if every product it is filled with leads to an allowed host.

    Raises RefusedDestination: for an unknown or missing placeholder, for one outside path and query,
    and for everything that a destination is refused for.
    """
    names = _PLACEHOLDER.findall(template)
    if not names or any(name not in PLACEHOLDERS for name in names):
        raise RefusedDestination("The template needs {slug} or {product_id}, and knows no other placeholder.")
    origin = re.match(r"https?://[^/?#{}]+/", template, re.IGNORECASE)
    if origin is None:
        raise RefusedDestination("The placeholders of the template must stand behind the host and a slash.")
    check_destination(fill_template(template, product_id="x", slug="x"), rules)
    return template


def fill_template(template: str, *, product_id: str, slug: str) -> str:
    """The product's URL; the values are escaped so that none can leave its own path segment.

    Raises RefusedDestination for a value that browsers fold away ("." and ".."), however escaped.
    """
    values = {"product_id": product_id, "slug": slug}
    for value in values.values():
        if value in {".", ".."}:
            raise RefusedDestination("The product's name in the URL would be taken for a folder; give a URL.")
    return _PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=""), template)
