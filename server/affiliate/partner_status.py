"""The life of a partner: PENDING → ACTIVE ⇄ SUSPENDED, or PENDING → REJECTED for good.

Who may act, and what is written down about it, is the service's business.
"""

from dataclasses import dataclass
from enum import StrEnum


class PartnerStatus(StrEnum):
    """A partner's standing; only ACTIVE partners create links and earn."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REJECTED = "REJECTED"


class PartnerAction(StrEnum):
    """What an admin does to a partner's standing."""

    APPROVE = "approve"
    REJECT = "reject"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"


@dataclass(frozen=True, slots=True)
class Transition:
    """The one status an action starts from and the one it ends in."""

    source: PartnerStatus
    target: PartnerStatus


TRANSITIONS = {
    PartnerAction.APPROVE: Transition(PartnerStatus.PENDING, PartnerStatus.ACTIVE),
    PartnerAction.REJECT: Transition(PartnerStatus.PENDING, PartnerStatus.REJECTED),
    PartnerAction.SUSPEND: Transition(PartnerStatus.ACTIVE, PartnerStatus.SUSPENDED),
    PartnerAction.REINSTATE: Transition(PartnerStatus.SUSPENDED, PartnerStatus.ACTIVE),
}


class RefusedTransition(ValueError):  # noqa: N818 - named for what is so
    """An action that the partner's present status does not allow; the text names both."""


def next_status(status: PartnerStatus, action: PartnerAction) -> PartnerStatus:
    """The status after the action; raises RefusedTransition.

    An action that has already been taken changes nothing, so a repeated call is harmless.
    """
    transition = TRANSITIONS[action]
    if status not in {transition.source, transition.target}:
        raise RefusedTransition(
            f"A partner that is {status} cannot be {_PAST[action]}; only one that is {transition.source} can."
        )
    return transition.target


_PAST = {
    PartnerAction.APPROVE: "approved",
    PartnerAction.REJECT: "rejected",
    PartnerAction.SUSPEND: "suspended",
    PartnerAction.REINSTATE: "reinstated",
}
