"""Adds the affiliate program with its first settings, partners, links and their audit.

Revision ID: 0002_affiliate
Revises: 0001_catalog
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_affiliate"
down_revision = "0001_catalog"
branch_labels = None
depends_on = None

_TERMS = (
    "(commission_rate IS NOT NULL AND commission_amount IS NULL AND commission_currency IS NULL)"
    " OR (commission_rate IS NULL AND commission_amount IS NOT NULL AND commission_currency IS NOT NULL)"
)
_TERMS_OR_NONE = f"({_TERMS}) OR num_nonnulls(commission_rate, commission_amount, commission_currency) = 0"


def upgrade() -> None:
    _create_program()
    _create_partners()
    _create_links()
    _create_audit()


def downgrade() -> None:
    for table in ("affiliate_audit", "links", "partners", "affiliate_program"):
        op.drop_table(table)


def _commission() -> tuple[sa.Column, sa.Column, sa.Column]:  # type: ignore[type-arg]  # three types in one tuple
    return (
        sa.Column("commission_rate", sa.Numeric(7, 4)),
        sa.Column("commission_amount", sa.BigInteger),
        sa.Column("commission_currency", sa.String(3)),
    )


def _instant(name: str, *, nullable: bool = False) -> sa.Column:  # type: ignore[type-arg]  # as above
    default = None if nullable else sa.func.now()
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _create_program() -> None:
    program = op.create_table(
        "affiliate_program",
        sa.Column("program_id", sa.SmallInteger, nullable=False, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("allowed_destination_hosts", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("product_url_template", sa.Text),
        sa.Column("attribution_window_days", sa.Integer, nullable=False),
        sa.Column("hold_days", sa.Integer, nullable=False),
        sa.Column("payout_minimum", sa.BigInteger, nullable=False),
        sa.Column("payout_currency", sa.String(3), nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("fallback_url", sa.Text),
        sa.Column("precedence", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        _instant("updated_at"),
        *_commission(),
        sa.PrimaryKeyConstraint("program_id", name="pk_affiliate_program"),
        sa.CheckConstraint("program_id = 1", name="ck_affiliate_program_only_one"),
        sa.CheckConstraint(_TERMS, name="ck_affiliate_program_commission_terms"),
        sa.CheckConstraint(
            "attribution_window_days BETWEEN 1 AND 365", name="ck_affiliate_program_attribution_window"
        ),
        sa.CheckConstraint("hold_days BETWEEN 0 AND 365", name="ck_affiliate_program_hold"),
        sa.CheckConstraint("payout_minimum >= 0", name="ck_affiliate_program_payout_minimum"),
        sa.CheckConstraint("precedence IN ('COUPON', 'LINK')", name="ck_affiliate_program_precedence"),
    )
    # A name under .example leads nowhere (RFC 2606): links work at once, and no real host is let in unasked.
    op.bulk_insert(
        program,
        [
            {
                "program_id": 1,
                "name": "Affiliate program",
                "allowed_destination_hosts": ["shop.example"],
                "product_url_template": "https://shop.example/p/{slug}",
                "attribution_window_days": 30,
                "hold_days": 14,
                "payout_minimum": 2000,
                "payout_currency": "EUR",
                "time_zone": "UTC",
                "fallback_url": None,
                "precedence": "COUPON",
                "version": 1,
                "commission_rate": 5,
            }
        ],
    )


def _create_partners() -> None:
    op.create_table(
        "partners",
        sa.Column("partner_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("status_reason", sa.Text),
        _instant("created_at"),
        _instant("updated_at"),
        *_commission(),
        sa.PrimaryKeyConstraint("partner_id", name="pk_partners"),
        sa.UniqueConstraint("email_key", name="uq_partners_email_key"),
        sa.CheckConstraint(
            "status IN ('PENDING', 'ACTIVE', 'SUSPENDED', 'REJECTED')", name="ck_partners_status"
        ),
        sa.CheckConstraint(_TERMS_OR_NONE, name="ck_partners_commission_terms"),
    )
    op.create_index("ix_partners_status_partner_id", "partners", ["status", "partner_id"])


def _create_links() -> None:
    op.create_table(
        "links",
        sa.Column("link_id", sa.Uuid, nullable=False),
        sa.Column("partner_id", sa.Uuid, nullable=False),
        sa.Column("product_id", sa.Text),
        sa.Column("destination_url", sa.Text, nullable=False),
        sa.Column("tracking_code", sa.Text, nullable=False),
        sa.Column("short_code", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("campaign", sa.Text),
        sa.Column("forward_query", sa.Boolean, nullable=False),
        sa.Column("click_id_parameter", sa.Text),
        sa.Column("fallback_url", sa.Text),
        _instant("expires_at", nullable=True),
        sa.Column("request_id", sa.Text),
        sa.Column("request_fingerprint", sa.LargeBinary),
        sa.Column("version", sa.BigInteger, nullable=False),
        _instant("created_at"),
        _instant("updated_at"),
        *_commission(),
        sa.PrimaryKeyConstraint("link_id", name="pk_links"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.partner_id"], name="fk_links_partner_id_partners"),
        sa.UniqueConstraint("short_code", name="uq_links_short_code"),
        sa.UniqueConstraint("tracking_code", name="uq_links_tracking_code"),
        sa.UniqueConstraint("partner_id", "request_id", name="uq_links_partner_id_request_id"),
        sa.CheckConstraint("status IN ('ACTIVE', 'DISABLED')", name="ck_links_status"),
        sa.CheckConstraint(_TERMS_OR_NONE, name="ck_links_commission_terms"),
        sa.CheckConstraint("(request_id IS NULL) = (request_fingerprint IS NULL)", name="ck_links_request"),
    )
    op.create_index("ix_links_partner_id_link_id", "links", ["partner_id", "link_id"])
    op.create_index("ix_links_product_id_link_id", "links", ["product_id", "link_id"])


def _create_audit() -> None:
    op.create_table(
        "affiliate_audit",
        sa.Column("entry_id", sa.Uuid, nullable=False),
        _instant("at"),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", postgresql.JSONB),
        sa.Column("after", postgresql.JSONB),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_affiliate_audit"),
    )
    op.create_index("ix_affiliate_audit_subject_entry_id", "affiliate_audit", ["subject", "entry_id"])
