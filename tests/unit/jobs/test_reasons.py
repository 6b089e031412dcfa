"""Reasons that the jobs service names exist in the contract."""

import inspect
import re

from millrace.jobs.v1.error_reason_pb2 import ErrorReason
from millrace.rpc.v1.error_reason_pb2 import ErrorReason as SharedReason
from server.jobs import errors


def test_every_reason_is_in_the_contract() -> None:
    """A reason that is not in the enum could not be handled by any client, and none is there for nothing."""
    named = set(re.findall(r'reason="([A-Z_]+)"', inspect.getsource(errors)))
    ours = set(ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    assert ours <= named
    assert named - ours <= set(SharedReason.keys())
