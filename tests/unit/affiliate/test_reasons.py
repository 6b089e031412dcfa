"""Reasons that the services name exist in the contract."""

import inspect
import re

from millrace.affiliate.v1.error_reason_pb2 import ErrorReason
from millrace.rpc.v1.error_reason_pb2 import ErrorReason as SharedReason
from server.affiliate.service import errors, fields, link_creation, link_requests, links, programs

_NAMED = re.compile(r'"([A-Z]+(?:_[A-Z]+)+)"')


def test_every_reason_is_in_the_contract() -> None:
    """A reason that is not in the enum could not be handled by any client."""
    modules = (errors, fields, link_creation, link_requests, links, programs)
    named = {found for module in modules for found in _NAMED.findall(inspect.getsource(module))}
    assert "LINK_NOT_FOUND" in named
    assert named <= set(ErrorReason.keys()) | set(SharedReason.keys())
