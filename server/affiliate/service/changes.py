"""What a transaction is about to change in a row, as the audit keeps it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import inspect

from server.affiliate.commission import format_rate
from server.db.metadata import Base


def changed_values(row: Base) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that differ from the database, before and after, as JSON values; both empty if none does."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for attribute in inspect(row).attrs:
        history = attribute.history
        if history.has_changes():
            before[attribute.key] = _json_value(history.deleted[0] if history.deleted else None)
            after[attribute.key] = _json_value(history.added[0] if history.added else None)
    return before, after


def _json_value(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case Decimal():
            return format_rate(value)
        case None | bool() | int() | str() | list():
            return value
        case _:
            return str(value)
