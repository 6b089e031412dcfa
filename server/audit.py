"""Who changed what, and how it was before and after. Rows are only ever added."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Index, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from millrace.streams.ids import new_id_bytes
from server.auth.actor import Actor
from server.db.metadata import Base


class AuditEntry(Base):
    """One change."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "subject", "entry_id"),)

    entry_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    # `partner.approve`, `link.disable`, `job.retry`, …
    action: Mapped[str] = mapped_column(Text)
    # `program`, `partner/<id>`, `job/<id>`, …
    subject: Mapped[str] = mapped_column(Text)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    request_id: Mapped[str] = mapped_column(Text)


class AuditRepository:
    """The audit as one session writes it: committed together with the change it tells of, or not at all."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(
        self,
        actor: Actor,
        action: str,
        subject: str,
        *,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        """Notes a change. `before` and `after` hold JSON values of what differs; no address, no token."""
        self._session.add(
            AuditEntry(
                entry_id=uuid.UUID(bytes=new_id_bytes()),
                actor=actor.principal.subject,
                action=action,
                subject=subject,
                before=None if before is None else dict(before),
                after=None if after is None else dict(after),
                request_id=actor.request_id,
            )
        )
