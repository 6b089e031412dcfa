"""Adds events by day, their identities, sessions and rollups; dead letters get a position within their entry.

Days' partitions are made by the drain and by a job.

Revision ID: 0006_events
Revises: 0005_audit
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_events"
down_revision = "0005_audit"
branch_labels = None
depends_on = None

_DIMENSION = ("page_views", "human_events", "bot_events")
# Name, key, counters, sketches: as they were when this step was written.
_ROLLUPS = (
    ("event_type_rollups", "type", ("human_events", "bot_events"), ()),
    ("event_visitor_rollups", None, (), ("visitors", "sessions")),
    ("event_source_rollups", "source", _DIMENSION, ("visitors",)),
    ("event_device_rollups", "device", _DIMENSION, ("visitors",)),
    ("event_country_rollups", "country", _DIMENSION, ("visitors",)),
    (
        "product_rollups",
        "product_id",
        ("views", "add_to_carts", "purchases", "human_clicks", "unique_clicks"),
        (),
    ),
    ("click_rollups", None, ("human_clicks", "unique_clicks", "bot_clicks"), ()),
)


def upgrade() -> None:
    _create_events()
    _create_sessions()
    _create_rollups()
    _add_positions()
    # The proof and a rebuild ask for the clicks of a day, whatever link they are of.
    op.create_index(
        "ix_link_click_rollups_bucket_start",
        "link_click_rollups",
        ["bucket_start"],
        postgresql_using="brin",
    )
    _count_earlier_clicks()
    _create_conversion_facts()


def downgrade() -> None:
    op.execute("DROP VIEW conversion_facts")
    op.drop_index("ix_link_click_rollups_bucket_start")
    op.drop_constraint("pk_stream_dead_letters", "stream_dead_letters")
    op.execute("DELETE FROM stream_dead_letters WHERE position > 0")
    op.drop_column("stream_dead_letters", "position")
    op.create_primary_key("pk_stream_dead_letters", "stream_dead_letters", ["stream", "entry_id"])
    for name, *_ in _ROLLUPS:
        op.drop_table(name)
    for name in ("rollup_rebuilds", "rollup_closings", "event_sessions", "event_identities", "events"):
        op.drop_table(name)


def _instant(name: str, *, nullable: bool = False) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        _instant("occurred_at"),
        _instant("received_at"),
        sa.Column("is_human", sa.Boolean(), nullable=False),
        sa.Column("is_clamped", sa.Boolean(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid()),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("product_id", sa.Text()),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("referrer", sa.Text()),
        sa.Column("metadata", postgresql.JSONB()),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
        postgresql_partition_by="RANGE (event_id)",
    )
    op.create_index("ix_events_occurred_at", "events", ["occurred_at"], postgresql_using="brin")
    op.create_table(
        "event_identities",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_event_identities"),
    )
    op.create_index("ix_event_identities_event_id", "event_identities", ["event_id"])


def _create_sessions() -> None:
    op.create_table(
        "event_sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        _instant("started_at"),
        _instant("last_event_at"),
        _instant("first_product_view_at", nullable=True),
        _instant("first_add_to_cart_at", nullable=True),
        _instant("last_add_to_cart_at", nullable=True),
        _instant("last_purchase_at", nullable=True),
        sa.PrimaryKeyConstraint("session_id", name="pk_event_sessions"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_event_sessions_started_at", "event_sessions", ["started_at"])


def _create_rollups() -> None:
    for name, key, counters, sketches in _ROLLUPS:
        keys = () if key is None else (sa.Column(key, sa.Text(), nullable=False),)
        op.create_table(
            name,
            sa.Column("span_minutes", sa.SmallInteger(), nullable=False),
            _instant("bucket_start"),
            *keys,
            *(sa.Column(each, sa.BigInteger(), nullable=False, server_default="0") for each in counters),
            *(sa.Column(each, sa.LargeBinary()) for each in sketches),
            sa.PrimaryKeyConstraint(
                "span_minutes", "bucket_start", *(each.name for each in keys), name=f"pk_{name}"
            ),
            postgresql_with={"fillfactor": 70},
        )
    op.create_table(
        "rollup_closings",
        sa.Column("span_minutes", sa.SmallInteger(), nullable=False),
        _instant("bucket_start"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("span_minutes", "bucket_start", name="pk_rollup_closings"),
    )
    op.create_table(
        "rollup_rebuilds",
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        _instant("next_hour"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("first_day", "last_day", name="pk_rollup_rebuilds"),
    )


def _add_positions() -> None:
    """An entry of the event stream holds many events; each of them can die alone."""
    op.add_column(
        "stream_dead_letters", sa.Column("position", sa.SmallInteger(), nullable=False, server_default="0")
    )
    op.drop_constraint("pk_stream_dead_letters", "stream_dead_letters")
    op.create_primary_key("pk_stream_dead_letters", "stream_dead_letters", ["stream", "entry_id", "position"])


def _count_earlier_clicks() -> None:
    """Clicks were counted by link only; the whole shop's and each product's follow from that."""
    op.execute(
        """
        INSERT INTO click_rollups (span_minutes, bucket_start, human_clicks, unique_clicks, bot_clicks)
        SELECT 15, bucket_start, sum(human_clicks), sum(unique_clicks), sum(bot_clicks)
        FROM link_click_rollups GROUP BY bucket_start
        """
    )
    op.execute(
        """
        INSERT INTO product_rollups (span_minutes, bucket_start, product_id, human_clicks, unique_clicks)
        SELECT 15, bucket_start, product_id, sum(human_clicks), sum(unique_clicks)
        FROM link_click_rollups JOIN links USING (link_id)
        WHERE product_id IS NOT NULL AND human_clicks > 0
        GROUP BY bucket_start, product_id
        """
    )


def _create_conversion_facts() -> None:
    """What analytics reads of conversions. There are none yet; whoever brings them replaces the view."""
    op.execute(
        """
        CREATE VIEW conversion_facts AS
        SELECT NULL::uuid AS conversion_id, NULL::timestamptz AS converted_at, NULL::text AS product_id,
            NULL::uuid AS partner_id, NULL::text AS status, NULL::text AS currency,
            NULL::bigint AS revenue, NULL::bigint AS commission
        WHERE false
        """
    )
