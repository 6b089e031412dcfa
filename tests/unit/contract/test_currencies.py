"""The contract names the currencies in use, and the server reckons in them: two lists that must be one."""

import re

import pytest

from edge.openapi import millrace_document
from server.affiliate.currencies import EXPONENTS

FIELDS = [("CommissionInput", "currency"), ("UpdateProgramBody", "payoutCurrency")]


@pytest.mark.parametrize(("component", "field"), FIELDS)
def test_the_contract_takes_the_currencies_that_the_server_knows(component: str, field: str) -> None:
    """No more and no fewer."""
    schema = millrace_document()["components"]["schemas"][component]["properties"][field]
    assert set(re.findall(r"\b[A-Z]{3}\b", schema["pattern"])) == set(EXPONENTS)
