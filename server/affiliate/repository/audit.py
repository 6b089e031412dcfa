"""Adds rows to the audit of the affiliate domain; nothing changes or removes them."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from millrace.streams.ids import new_id_bytes
from server.affiliate.actor import Actor
from server.affiliate.models import AuditEntry


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
