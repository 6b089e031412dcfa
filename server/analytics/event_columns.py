"""Names and column order of the analytics tables, for those who write them without SQLAlchemy.

The types live in `models`; a test holds the two together.
"""

from __future__ import annotations

from typing import Final, NamedTuple

EVENTS: Final = "events"
# The columns of fixed width come first: the drain packs them with one struct.
EVENT_COLUMNS: Final = (
    "event_id",
    "occurred_at",
    "received_at",
    "is_human",
    "is_clamped",
    "country",
    "client_id",
    "type",
    "session_id",
    "user_id",
    "product_id",
    "device",
    "source",
    "url",
    "referrer",
    "metadata",
)

# Client ids that carry no time of ours, each with the event that counts for it.
EVENT_IDENTITIES: Final = "event_identities"
SESSIONS: Final = "event_sessions"
SPAN_CLOSINGS: Final = "rollup_closings"
LOCAL_DAYS: Final = "event_local_days"

# A quarter of an hour divides every time zone's offset, so days are exact in all of them.
QUARTER_MINUTES: Final = 15
HOUR_MINUTES: Final = 60
DAY_MINUTES: Final = 1440
WEEK_MINUTES: Final = 10_080


class RollupTable(NamedTuple):
    """A table of counts: columns `span_minutes, bucket_start`, the dimension's key, counters, sketches.

    `spans` are those longer than a quarter hour in which its counts are kept too, once a day is closed.
    """

    name: str
    key: str | None
    counters: tuple[str, ...]
    sketches: tuple[str, ...]
    spans: tuple[int, ...]


TYPE_ROLLUPS: Final = RollupTable(
    "event_type_rollups", "type", ("human_events", "bot_events"), (), (HOUR_MINUTES, DAY_MINUTES)
)
VISITOR_ROLLUPS: Final = RollupTable(
    "event_visitor_rollups", None, (), ("visitors", "sessions"), (HOUR_MINUTES, DAY_MINUTES, WEEK_MINUTES)
)
SOURCE_ROLLUPS: Final = RollupTable(
    "event_source_rollups",
    "source",
    ("page_views", "human_events", "bot_events"),
    ("visitors",),
    (DAY_MINUTES, WEEK_MINUTES),
)
DEVICE_ROLLUPS: Final = RollupTable(
    "event_device_rollups",
    "device",
    ("page_views", "human_events", "bot_events"),
    ("visitors",),
    (DAY_MINUTES, WEEK_MINUTES),
)
COUNTRY_ROLLUPS: Final = RollupTable(
    "event_country_rollups",
    "country",
    ("page_views", "human_events", "bot_events"),
    ("visitors",),
    (DAY_MINUTES, WEEK_MINUTES),
)
# Fed by both streams: views, carts and purchases of events, clicks of affiliate links.
PRODUCT_ROLLUPS: Final = RollupTable(
    "product_rollups",
    "product_id",
    ("views", "add_to_carts", "purchases", "human_clicks", "unique_clicks"),
    (),
    (DAY_MINUTES, WEEK_MINUTES),
)
CLICK_ROLLUPS: Final = RollupTable(
    "click_rollups", None, ("human_clicks", "unique_clicks", "bot_clicks"), (), (HOUR_MINUTES, DAY_MINUTES)
)
# In the order in which every writer locks their rows.
ROLLUP_TABLES: Final = (
    TYPE_ROLLUPS,
    VISITOR_ROLLUPS,
    SOURCE_ROLLUPS,
    DEVICE_ROLLUPS,
    COUNTRY_ROLLUPS,
    PRODUCT_ROLLUPS,
    CLICK_ROLLUPS,
)
