"""Commission terms: exact decimals, known currencies, nothing in between."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.affiliate.commission import (
    Fixed,
    Percentage,
    RefusedCommission,
    format_rate,
    parse_fixed,
    parse_percentage,
)
from server.affiliate.currencies import EXPONENTS


@pytest.mark.parametrize(
    ("text", "shown"),
    [("7.5", "7.5"), ("0", "0"), ("100", "100"), ("100.0000", "100"), ("10", "10"), ("0.0001", "0.0001")],
)
def test_rate_is_exact_and_shown_in_its_shortest_form(text: str, shown: str) -> None:
    """No rate passes through a binary fraction, and 10 is never written 1E+1."""
    terms = parse_percentage(text)
    assert terms == Percentage(Decimal(text))
    assert format_rate(terms.rate) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-1", "+1", "100.0001", "101", "1000", "7,5", "7.", ".5", "07.5", "1e1", "1E+1", "NaN"),
        *("Infinity", "0x10", "1_0", "7.50001", "７.５", "٧", "7.5 ", " 7.5", "7.5%", "\x007"),
    ],
)
def test_rate_that_is_no_plain_decimal_of_a_percentage_is_refused(text: str) -> None:
    """Signs, exponents, other digits and too many decimals are all refused."""
    with pytest.raises(RefusedCommission) as refused:
        parse_percentage(text)
    assert refused.value.field == "rate"


@given(st.decimals(min_value=0, max_value=100, places=4))
def test_every_rate_of_four_decimals_survives_writing_and_reading(rate: Decimal) -> None:
    """What is shown reads back as the same rate."""
    assert parse_percentage(format_rate(rate)).rate == rate


def test_fixed_amount_is_in_minor_units_of_its_own_currency() -> None:
    """500 JPY and 500 KWD are different sums of money."""
    assert parse_fixed(500, "JPY") == Fixed(500, "JPY")
    assert (EXPONENTS["JPY"], EXPONENTS["KWD"], EXPONENTS["EUR"]) == (0, 3, 2)


@pytest.mark.parametrize(("amount", "currency", "field"), [(0, "EUR", "amount"), (-1, "EUR", "amount")])
def test_amount_below_one_minor_unit_is_refused(amount: int, currency: str, field: str) -> None:
    """A commission of nothing is a slip."""
    with pytest.raises(RefusedCommission) as refused:
        parse_fixed(amount, currency)
    assert refused.value.field == field


@pytest.mark.parametrize("currency", ["", "eur", "EU", "EURO", "XXX", "XTS", "XAU", "ZZZ", "€"])
def test_unknown_currency_is_refused(currency: str) -> None:
    """Test codes, metals and lower case are no money."""
    with pytest.raises(RefusedCommission) as refused:
        parse_fixed(1, currency)
    assert refused.value.field == "currency"
