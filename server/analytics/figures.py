"""What an answer is made of, before it becomes messages or CSV; and the sums and rates behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

# Minor units by currency.
Money = Mapping[str, int]

# Conversions that earn, and those that may yet.
EARNING: Final = ("CONFIRMED", "PAID")
PENDING: Final = "PENDING"


@dataclass(slots=True)
class Counts:
    """What a period came to in events and clicks of people; of bots, apart. Adds up."""

    page_views: int = 0
    clicks: int = 0
    unique_clicks: int = 0
    bot_events: int = 0
    bot_clicks: int = 0


@dataclass(slots=True)
class Conversions:
    """What a period or product came to in conversions. Adds up."""

    earning: int = 0
    pending: int = 0
    revenue: dict[str, int] = field(default_factory=dict)
    commission: dict[str, int] = field(default_factory=dict)
    # Earning ones by currency: what an average is taken of.
    orders: dict[str, int] = field(default_factory=dict)

    def add(self, status: str, currency: str, count: int, revenue: int, commission: int) -> None:
        """Counts conversions of one status and currency; those neither earned nor pending are left out."""
        if status == PENDING:
            self.pending += count
        if status in EARNING:
            self.earning += count
            for sums, amount in (
                (self.revenue, revenue),
                (self.commission, commission),
                (self.orders, count),
            ):
                sums[currency] = sums.get(currency, 0) + amount


@dataclass(frozen=True, slots=True)
class Audience:
    """Different visitors and sessions of a period. Does not add up: sketches merge."""

    visitors: int = 0
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """All of a period."""

    counts: Counts
    audience: Audience
    conversions: Conversions

    @property
    def conversion_rate(self) -> float:
        return percent(self.conversions.earning, self.counts.unique_clicks)

    @property
    def average_order_value(self) -> Money:
        orders = self.conversions.orders
        return {name: half_even(sold, orders[name]) for name, sold in self.conversions.revenue.items()}


@dataclass(slots=True)
class ProductCounts:
    """What a period came to for one product. Adds up."""

    views: int = 0
    add_to_carts: int = 0
    purchases: int = 0
    clicks: int = 0
    unique_clicks: int = 0


@dataclass(frozen=True, slots=True)
class ProductOverview:
    """All of a period for one product."""

    counts: ProductCounts
    conversions: Conversions

    @property
    def ctr(self) -> float:
        return percent(self.counts.clicks, self.counts.views)


@dataclass(frozen=True, slots=True)
class TopProduct:
    """One of the products viewed most."""

    product_id: str
    counts: ProductCounts
    revenue: Money


@dataclass(frozen=True, slots=True)
class Dimension:
    """One source, device or country."""

    name: str
    page_views: int
    events: int
    visitors: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far a range is counted: all before `as_of`; None when that is not known."""

    as_of: datetime | None
    lag_seconds: float | None
    complete: bool


def freshness(as_of: datetime | None, end: datetime, now: datetime) -> Freshness:
    """What an answer about a range up to `end` may claim, asked at `now`."""
    if as_of is None:
        return Freshness(None, None, complete=False)
    lag = max(0.0, (now - as_of).total_seconds())
    return Freshness(as_of, lag, complete=as_of >= min(end, now))


def total_product_counts(parts: Iterable[ProductCounts]) -> ProductCounts:
    """The sum of a product's counts."""
    total = ProductCounts()
    for each in parts:
        total.views += each.views
        total.add_to_carts += each.add_to_carts
        total.purchases += each.purchases
        total.clicks += each.clicks
        total.unique_clicks += each.unique_clicks
    return total


def total_conversions(parts: Sequence[Conversions]) -> Conversions:
    """The sum of conversions."""
    total = Conversions(sum(each.earning for each in parts), sum(each.pending for each in parts))
    for each in parts:
        for sums, more in (
            (total.revenue, each.revenue),
            (total.commission, each.commission),
            (total.orders, each.orders),
        ):
            for currency, amount in more.items():
                sums[currency] = sums.get(currency, 0) + amount
    return total


def percent(part: int, whole: int) -> float:
    """`part` of `whole` in percent; 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def half_even(amount: int, count: int) -> int:
    """`amount` by `count` as a whole number, halves to even; 0 by nothing. Exact, whatever the size."""
    if not count:
        return 0
    whole, rest = divmod(amount, count)
    return whole + (2 * rest > count or (2 * rest == count and whole % 2 == 1))
