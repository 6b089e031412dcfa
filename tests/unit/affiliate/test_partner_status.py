"""The life of a partner: every status against every action."""

import pytest

from server.affiliate.partner_status import (
    PartnerAction,
    PartnerStatus,
    RefusedTransition,
    next_status,
)

A, S = PartnerAction, PartnerStatus

OUTCOMES = {
    (S.PENDING, A.APPROVE): S.ACTIVE,
    (S.PENDING, A.REJECT): S.REJECTED,
    (S.ACTIVE, A.SUSPEND): S.SUSPENDED,
    (S.SUSPENDED, A.REINSTATE): S.ACTIVE,
    # repeated
    (S.ACTIVE, A.APPROVE): S.ACTIVE,
    (S.ACTIVE, A.REINSTATE): S.ACTIVE,
    (S.REJECTED, A.REJECT): S.REJECTED,
    (S.SUSPENDED, A.SUSPEND): S.SUSPENDED,
}


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("action", A)
def test_every_action_on_every_status(status: PartnerStatus, action: PartnerAction) -> None:
    """What the table does not allow is refused, and REJECTED is final."""
    if (status, action) in OUTCOMES:
        assert next_status(status, action) is OUTCOMES[status, action]
        return
    with pytest.raises(RefusedTransition, match=status.value):
        next_status(status, action)
