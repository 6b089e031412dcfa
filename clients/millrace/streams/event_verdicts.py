"""What is said of an event that is not taken: the words for the reasons, and the two ways to say them.

A reason is a code for programs:

==========================  ======================================================================
``required``                the field is missing or null
``wrong_type``              another JSON type than the field's, or an event that is no object
``not_allowed``             a type of event that clients do not send
``empty``, ``too_long``     a text below or above its length
``not_a_uuid``              an id that is no UUID in its canonical form
``dated_outside_retention``  a UUIDv7 whose time is over 30 days ago or over a day ahead
``not_a_time``              no RFC 3339 time with a zone
``too_old``                 it occurred over 30 days ago
``too_many_keys``, ``too_deep``, ``too_large``  metadata beyond 32 keys, 4 levels, 8 KiB of compact JSON
``not_a_currency``          no three capital letters
``out_of_range``            a number below or above its bounds, or too large to be kept exactly
``malformed``               bytes that are no UTF-8; of a body, no JSON
``unstorable``              a text with a NUL character or half a surrogate pair
``too_many``                of a body: more than 500 events
==========================  ======================================================================
"""

from __future__ import annotations

from typing import NamedTuple


class Rejection(NamedTuple):
    """Why the event at that place of its batch, from 0, was not taken. `field`: as sent, "" for all of it."""

    index: int  # type: ignore[assignment]  # a tuple's own method of this name is not missed
    field: str
    reason: str


class MalformedBody(ValueError):  # noqa: N818 - named for what is so
    """Nothing of the body can be taken. `field` is "" for the body itself, else ``events`` or ``sentAt``."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field or 'body'}: {reason}")
        self.field = field
        self.reason = reason


class Refused(Exception):  # noqa: N818 - named for what is so
    """An event breaks a rule: the field as sent, and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
