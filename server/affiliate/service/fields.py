"""Runs the rule modules over request fields and names the field when one is refused."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from server.affiliate.destinations import DestinationRules, RefusedDestination, check_destination
from server.affiliate.service.errors import refused_field
from server.affiliate.texts import RefusedText, check_line


def line(field: str, text: str) -> str:
    """One visible line, trimmed, not empty; raises InvalidArgument."""
    return optional_line(field, text) or _refuse_empty(field)


def optional_line(field: str, text: str | None) -> str | None:
    """One visible line, trimmed; None when there is nothing in it. Raises InvalidArgument."""
    try:
        return check_line(text or "") or None
    except RefusedText as error:
        raise refused_field(field, str(error)) from error


def destination(field: str, url: str, rules: DestinationRules) -> str:
    """A URL that the program allows, in the spelling we store; raises InvalidArgument."""
    try:
        return check_destination(url, rules)
    except RefusedDestination as error:
        raise refused_field(field, str(error), "DESTINATION_NOT_ALLOWED") from error


def optional_destination(field: str, url: str | None, rules: DestinationRules) -> str | None:
    """The same for a URL that may be left out."""
    return destination(field, url, rules) if url else None


def free_parameter(field: str, name: str | None, url: str) -> str | None:
    """The name of a query parameter that the URL does not have, or None; raises InvalidArgument.

    A shop that reads the first of two parameters of one name would never see ours.
    """
    if name and any(name == taken for taken, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)):
        raise refused_field(field, "the destination has a parameter of this name already")
    return name or None


def future_instant(field: str, at: datetime | None) -> datetime | None:
    """An instant still to come, or None; raises InvalidArgument."""
    if at is not None and at <= datetime.now(UTC):
        raise refused_field(field, "must lie in the future")
    return at


def _refuse_empty(field: str) -> str:
    raise refused_field(field, "must not be empty")
