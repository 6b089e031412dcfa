"""Names and column order of the click tables, for those who write them without SQLAlchemy.

The types live in `clicks`; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

CLICKS: Final = "clicks"
# The columns of fixed width come first: the drain packs them with one struct.
CLICK_COLUMNS: Final = (
    "click_id",
    "link_id",
    "partner_id",
    "clicked_at",
    "is_human",
    "is_unique",
    "visitor",
    "country",
    "device",
    "product_id",
    "referrer_host",
)

LINK_CLICK_ROLLUPS: Final = "link_click_rollups"
ROLLUP_COLUMNS: Final = ("link_id", "bucket_start", "human_clicks", "unique_clicks", "bot_clicks")
# A quarter of an hour divides every time zone's offset, so days are exact in all of them.
ROLLUP_BUCKET_SECONDS: Final = 900
