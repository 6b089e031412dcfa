"""Values that several messages share, from protobuf and back: ids, instants, commissions."""

import uuid
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from millrace.affiliate.v1.commission_pb2 import Commission as CommissionMessage
from server.affiliate.commission import (
    Commission,
    Percentage,
    RefusedCommission,
    format_rate,
    parse_fixed,
    parse_percentage,
)
from server.affiliate.service.errors import refused_field

# PostgreSQL and JavaScript both reach further; what lies beyond is a slip of the keyboard.
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def instant(at: datetime | None) -> Timestamp | None:
    """A Timestamp, or None where there is no instant."""
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def read_instant(message: Message, field: str) -> datetime | None:
    """The Timestamp in a field, None when unset; raises InvalidArgument for one that is no instant."""
    if not message.HasField(field):
        return None
    try:
        at: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise refused_field(field, "must be an instant between the years 1 and 9999") from error
    if at >= _LATEST:
        raise refused_field(field, "must be an instant before the year 9999")
    return at


def read_id(text: str) -> uuid.UUID:
    """An id whose form the contract's rules have checked."""
    return uuid.UUID(text)


def commission_message(terms: Commission | None) -> CommissionMessage | None:
    """A Commission, or None where less specific terms hold."""
    if terms is None:
        return None
    if isinstance(terms, Percentage):
        return CommissionMessage(type=CommissionMessage.PERCENTAGE, rate=format_rate(terms.rate))
    return CommissionMessage(type=CommissionMessage.FIXED, amount=terms.amount_minor, currency=terms.currency)


def read_commission(message: Message, field: str) -> Commission | None:
    """The Commission in a field, None when unset; raises InvalidArgument naming its part at fault."""
    if not message.HasField(field):
        return None
    terms: CommissionMessage = getattr(message, field)
    try:
        if terms.type == CommissionMessage.PERCENTAGE:
            return parse_percentage(terms.rate)
        return parse_fixed(terms.amount, terms.currency)
    except RefusedCommission as error:
        raise refused_field(f"{field}.{error.field}", str(error)) from error
