"""Tables of the analytics domain. The drain fills them; it or a job makes the days' partitions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from server.analytics.event_columns import (
    DAY_MINUTES,
    EVENT_IDENTITIES,
    EVENTS,
    LOCAL_DAYS,
    PRODUCT_ROLLUPS,
    ROLLUP_TABLES,
    SESSIONS,
    SPAN_CLOSINGS,
    RollupTable,
)
from server.db.metadata import Base

# One partition per UTC day of the UUIDv7 event id, so that a repeated event always meets its first copy.
events = Table(
    EVENTS,
    Base.metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("is_human", Boolean, nullable=False),
    # The client's clock was ahead of ours, so `occurred_at` is when the event came.
    Column("is_clamped", Boolean, nullable=False),
    Column("country", Text, nullable=False),
    # The id that the client gave, where it is no UUIDv7.
    Column("client_id", Uuid),
    Column("type", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("user_id", Text),
    Column("product_id", Text),
    Column("device", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("url", Text),
    Column("referrer", Text),
    Column("metadata", JSONB),
    # Rows arrive nearly in order of time; a few bytes per hundred pages find an hour again.
    Index("ix_events_occurred_at", "occurred_at", postgresql_using="brin"),
    postgresql_partition_by="RANGE (event_id)",
)

event_identities = Table(
    EVENT_IDENTITIES,
    Base.metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    # Identities go with their events' days.
    Index("ix_event_identities_event_id", "event_id"),
)

# One row per session of a person. Every column but the key only ever moves one way, so counting an event
# twice changes nothing.
event_sessions = Table(
    SESSIONS,
    Base.metadata,
    Column("session_id", Text, primary_key=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("last_event_at", DateTime(timezone=True), nullable=False),
    Column("first_product_view_at", DateTime(timezone=True)),
    Column("first_add_to_cart_at", DateTime(timezone=True)),
    Column("last_add_to_cart_at", DateTime(timezone=True)),
    Column("last_purchase_at", DateTime(timezone=True)),
    Index("ix_event_sessions_started_at", "started_at"),
    postgresql_with={"fillfactor": 80},
)

# Spans longer than a quarter hour whose counts in the rollups are whole; an event that comes late removes its
# day's and its week's, until they are summed up again. Hours are whole when their day is.
rollup_closings = Table(
    SPAN_CLOSINGS,
    Base.metadata,
    Column("span_minutes", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket_start", DateTime(timezone=True), primary_key=True),
    Column("closed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Days of the shop's own time zone, merged from the hours of the two UTC days they touch. A row holds while
# `closed_at` is still when those were closed; nobody needs to remove it.
event_local_days = Table(
    LOCAL_DAYS,
    Base.metadata,
    Column("starts_at", DateTime(timezone=True), primary_key=True),
    Column("ends_at", DateTime(timezone=True), primary_key=True),
    Column("closed_at", ARRAY(DateTime(timezone=True)), nullable=False),
    Column("visitors", LargeBinary),
    Column("sessions", LargeBinary),
)

# How far a rebuild of the rollups has come, so that one which was cut short goes on.
rollup_rebuilds = Table(
    "rollup_rebuilds",
    Base.metadata,
    Column("first_day", Date, primary_key=True),
    Column("last_day", Date, primary_key=True),
    Column("next_hour", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


def _rollups(table: RollupTable) -> Table:
    """Rows of the running quarter hour change with every batch: room on the page keeps that off the index."""
    key = () if table.key is None else (Column(table.key, Text, primary_key=True),)
    return Table(
        table.name,
        Base.metadata,
        Column("span_minutes", SmallInteger, primary_key=True, autoincrement=False),
        Column("bucket_start", DateTime(timezone=True), primary_key=True),
        *key,
        *(Column(name, BigInteger, nullable=False, server_default="0") for name in table.counters),
        *(Column(name, LargeBinary) for name in table.sketches),
        postgresql_with={"fillfactor": 70},
    )


rollups = {table.name: _rollups(table) for table in ROLLUP_TABLES}

# Who leads a closed day or week is read from its end. Quarter hours change too often to be kept in order.
_product_rollups = rollups[PRODUCT_ROLLUPS.name].c
Index(
    "ix_product_rollups_most_viewed",
    _product_rollups.span_minutes,
    _product_rollups.bucket_start,
    _product_rollups.views.desc(),
    postgresql_include=["product_id"],
    postgresql_where=text(f"span_minutes >= {DAY_MINUTES}"),
)
