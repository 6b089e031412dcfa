"""Tables as CSV: RFC 4180, UTF-8, a header row, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from server.analytics.dashboard import Dashboard
from server.analytics.figures import Dimension, Money, Overview
from server.analytics.funnel import Funnel
from server.analytics.product_statistics import ProductStatistics
from server.analytics.ranges import Period
from server.analytics.realtime import Realtime

Cell = str | int | float | datetime

# With these a spreadsheet takes a text for a formula.
_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")
_PERIOD: Final = ("start", "end")
_OVERVIEW: Final = (
    "page_views", "unique_visitors", "sessions", "clicks", "unique_clicks", "conversions",
    "pending_conversions", "conversion_rate", "revenue", "commission",
)  # fmt: skip
_DIMENSION: Final = ("name", "page_views", "events", "unique_visitors")


def csv_bytes(heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A table as CSV. Texts get an apostrophe before a formula's sign; numbers stay as they are."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow(heads)
    writer.writerows([_shown(cell) for cell in row] for row in rows)
    return sheet.getvalue().encode()


def dashboard_table(dashboard: Dashboard, table: str) -> bytes:
    """One table of the dashboard: `series`, `overview`, `topProducts`, `trafficSources`, …"""
    if table == "overview":
        return _overviews(dashboard)
    if table == "topProducts":
        return _top_products(dashboard)
    if table == "series":
        rows = [(*_period(period), *_overview(figures)) for period, figures in dashboard.series]
        return csv_bytes((*_PERIOD, *_OVERVIEW), rows)
    dimensions = {
        "trafficSources": dashboard.sources, "devices": dashboard.devices, "countries": dashboard.countries
    }  # fmt: skip
    return csv_bytes(_DIMENSION, map(_dimension, dimensions[table]))


def product_table(statistics: ProductStatistics) -> bytes:
    """A product's series."""
    heads = (
        *_PERIOD, "views", "clicks", "unique_clicks", "add_to_cart", "purchases", "conversions",
        "pending_conversions", "ctr", "revenue", "commission",
    )  # fmt: skip
    rows = [
        (
            *_period(period), counts.views, counts.clicks, counts.unique_clicks, counts.add_to_carts,
            counts.purchases, earned.earning, earned.pending, figures.ctr, _money(earned.revenue),
            _money(earned.commission),
        )
        for period, figures in statistics.series
        for counts, earned in [(figures.counts, figures.conversions)]
    ]  # fmt: skip
    return csv_bytes(heads, rows)


def funnel_table(funnel: Funnel) -> bytes:
    """The steps."""
    rows = [(s.name, s.sessions, s.percent_of_previous, s.percent_of_first) for s in funnel.steps]
    return csv_bytes(("step", "sessions", "percent_of_previous", "percent_of_first"), rows)


def realtime_table(realtime: Realtime) -> bytes:
    """The last 60 minutes."""
    names = tuple(realtime.today.__dataclass_fields__)
    rows = [(at, *(getattr(figures, name) for name in names)) for at, figures in realtime.minutes]
    return csv_bytes(("start", *names), rows)


def _overviews(dashboard: Dashboard) -> bytes:
    whole = Period(dashboard.question.range.start, dashboard.question.range.end)
    rows = [
        (
            *_period(period), *_overview(figures), _money(figures.average_order_value),
            figures.counts.bot_events, figures.counts.bot_clicks,
        )
        for period, figures in ((whole, dashboard.overview), (dashboard.previous_period, dashboard.previous))
    ]  # fmt: skip
    return csv_bytes((*_PERIOD, *_OVERVIEW, "average_order_value", "bot_events", "bot_clicks"), rows)


def _top_products(dashboard: Dashboard) -> bytes:
    rows = [
        (
            each.product_id, each.counts.views, each.counts.clicks, each.counts.add_to_carts,
            each.counts.purchases, _money(each.revenue),
        )
        for each in dashboard.top_products
    ]  # fmt: skip
    return csv_bytes(("product_id", "views", "clicks", "add_to_cart", "purchases", "revenue"), rows)


def _period(period: Period) -> tuple[datetime, datetime]:
    return period.start, period.end


def _overview(figures: Overview) -> tuple[Cell, ...]:
    counts, audience, earned = figures.counts, figures.audience, figures.conversions
    return (
        counts.page_views, audience.visitors, audience.sessions, counts.clicks, counts.unique_clicks,
        earned.earning, earned.pending, figures.conversion_rate, _money(earned.revenue),
        _money(earned.commission),
    )  # fmt: skip


def _dimension(each: Dimension) -> tuple[Cell, ...]:
    return each.name, each.page_views, each.events, each.visitors


def _money(amounts: Money) -> str:
    """Minor units beside their currency, several in one cell: `1200 EUR; 950 USD`."""
    return "; ".join(f"{amount} {currency}" for currency, amount in sorted(amounts.items()))


def _shown(cell: Cell) -> str | int | float:
    if isinstance(cell, datetime):
        return cell.isoformat().replace("+00:00", "Z")
    if isinstance(cell, str) and cell.startswith(_FORMULA_SIGNS):
        return "'" + cell
    return cell
