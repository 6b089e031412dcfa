"""Tables of the affiliate domain: the program, partners and links.

The tables of clicks and their rollups are defined in `clicks`.
"""

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from server.affiliate.commission import Commission, Fixed, Percentage
from server.affiliate.partner_status import PartnerStatus
from server.db.metadata import Base

PROGRAM_ID = 1

_TERMS = """
    (commission_rate IS NOT NULL AND commission_amount IS NULL AND commission_currency IS NULL)
    OR (commission_rate IS NULL AND commission_amount IS NOT NULL AND commission_currency IS NOT NULL)
"""
_NO_TERMS = "num_nonnulls(commission_rate, commission_amount, commission_currency) = 0"


class CommissionTerms:
    """The three columns of a commission: a rate in percent, or an amount in minor units and its currency."""

    commission_rate: Mapped[Decimal | None] = mapped_column(Numeric(7, 4))
    commission_amount: Mapped[int | None] = mapped_column(BigInteger)
    commission_currency: Mapped[str | None] = mapped_column(String(3))

    @property
    def commission(self) -> Commission | None:
        """The terms as a rule; None where less specific ones hold."""
        if self.commission_rate is not None:
            return Percentage(self.commission_rate)
        if self.commission_amount is not None and self.commission_currency is not None:
            return Fixed(self.commission_amount, self.commission_currency)
        return None

    @commission.setter
    def commission(self, terms: Commission | None) -> None:
        self.commission_rate = terms.rate if isinstance(terms, Percentage) else None
        self.commission_amount = terms.amount_minor if isinstance(terms, Fixed) else None
        self.commission_currency = terms.currency if isinstance(terms, Fixed) else None


class Program(CommissionTerms, Base):
    """The one program of an installation; its row is made by the migration and never removed."""

    __tablename__ = "affiliate_program"
    __table_args__ = (
        CheckConstraint(f"program_id = {PROGRAM_ID}", name="only_one"),
        CheckConstraint(_TERMS, name="commission_terms"),
        CheckConstraint("attribution_window_days BETWEEN 1 AND 365", name="attribution_window"),
        CheckConstraint("hold_days BETWEEN 0 AND 365", name="hold"),
        CheckConstraint("payout_minimum >= 0", name="payout_minimum"),
        CheckConstraint("precedence IN ('COUPON', 'LINK')", name="precedence"),
    )

    program_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    allowed_destination_hosts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    product_url_template: Mapped[str | None] = mapped_column(Text)
    attribution_window_days: Mapped[int] = mapped_column(Integer)
    hold_days: Mapped[int] = mapped_column(Integer)
    payout_minimum: Mapped[int] = mapped_column(BigInteger)
    payout_currency: Mapped[str] = mapped_column(String(3))
    time_zone: Mapped[str] = mapped_column(Text)
    fallback_url: Mapped[str | None] = mapped_column(Text)
    precedence: Mapped[str] = mapped_column(Text)
    # Grows with every change; part of the version of every link's snapshot.
    version: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Partner(CommissionTerms, Base):
    """Somebody who promotes the shop's products."""

    __tablename__ = "partners"
    __table_args__ = (
        UniqueConstraint("email_key"),
        CheckConstraint("status IN ('PENDING', 'ACTIVE', 'SUSPENDED', 'REJECTED')", name="status"),
        CheckConstraint(f"({_TERMS}) OR {_NO_TERMS}", name="commission_terms"),
        Index(None, "status", "partner_id"),
    )

    partner_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    # The address as uniqueness sees it: trimmed and in lower case.
    email_key: Mapped[str] = mapped_column(Text)
    customer_id: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, default=PartnerStatus.PENDING)
    status_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Link(CommissionTerms, Base):
    """A partner's short address; its code never changes hands."""

    __tablename__ = "links"
    __table_args__ = (
        UniqueConstraint("short_code"),
        UniqueConstraint("tracking_code"),
        # NULLs are distinct, so links without a request id never meet here.
        UniqueConstraint("partner_id", "request_id"),
        CheckConstraint("status IN ('ACTIVE', 'DISABLED')", name="status"),
        CheckConstraint(f"({_TERMS}) OR {_NO_TERMS}", name="commission_terms"),
        CheckConstraint("(request_id IS NULL) = (request_fingerprint IS NULL)", name="request"),
        Index(None, "partner_id", "link_id"),
        Index(None, "product_id", "link_id"),
    )

    link_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    partner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("partners.partner_id"))
    product_id: Mapped[str | None] = mapped_column(Text)
    destination_url: Mapped[str] = mapped_column(Text)
    tracking_code: Mapped[str] = mapped_column(Text)
    short_code: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    campaign: Mapped[str | None] = mapped_column(Text)
    forward_query: Mapped[bool] = mapped_column(Boolean)
    click_id_parameter: Mapped[str | None] = mapped_column(Text)
    fallback_url: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    request_id: Mapped[str | None] = mapped_column(Text)
    # SHA-256 of what was asked for under `request_id`, to tell a repeat from a reuse.
    request_fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
