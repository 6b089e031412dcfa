"""What a commission is: a percentage of the sale, or a fixed amount in a currency of its own.

Applying it to an order is not done here.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from server.affiliate.currencies import UnknownCurrency, check_currency

RATE_DECIMALS = 4
MOST_MINOR_UNITS = 1_000_000_000_000

_RATE = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.[0-9]{1,4})?")


class RefusedCommission(ValueError):  # noqa: N818 - named for what is so
    """Commission terms that break a rule: `field` names the part at fault, the text says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Percentage:
    """A share of the order's commissionable amount; `rate` is in percent, 0 to 100, exact."""

    rate: Decimal


@dataclass(frozen=True, slots=True)
class Fixed:
    """One amount per order, in minor units of `currency`, whatever currency the order is in."""

    amount_minor: int
    currency: str


Commission = Percentage | Fixed


def parse_percentage(rate: str) -> Percentage:
    """A rate such as "7.5": plain decimal digits, at most four behind the point; raises RefusedCommission."""
    if not _RATE.fullmatch(rate):
        raise RefusedCommission("rate", 'The rate must be a decimal in percent such as "7.5".')
    value = Decimal(rate)
    if value > 100:
        raise RefusedCommission("rate", "The rate must be between 0 and 100 percent.")
    return Percentage(value.normalize())


def parse_fixed(amount_minor: int, currency: str) -> Fixed:
    """An amount of 1 to `MOST_MINOR_UNITS` in a known currency; raises RefusedCommission."""
    if not 1 <= amount_minor <= MOST_MINOR_UNITS:
        raise RefusedCommission("amount", f"The amount must be 1 to {MOST_MINOR_UNITS:,} minor units.")
    try:
        return Fixed(amount_minor, check_currency(currency))
    except UnknownCurrency as error:
        raise RefusedCommission("currency", str(error)) from error


def format_rate(rate: Decimal) -> str:
    """The shortest writing of a rate: "7.5", not "7.5000" nor "7.5E+0"."""
    return f"{rate.normalize():f}"
