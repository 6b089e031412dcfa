"""Figures as the contract shows them. Single events are in `event_messages`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from millrace.analytics.v1 import dashboard_pb2, figures_pb2, realtime_pb2
from server.analytics.asking import Question
from server.analytics.dashboard import Dashboard
from server.analytics.figures import Dimension, Money, Overview, ProductOverview, TopProduct
from server.analytics.funnel import Funnel
from server.analytics.product_statistics import ProductStatistics
from server.analytics.realtime import LiveFigures, Realtime


def dashboard_message(dashboard: Dashboard) -> dashboard_pb2.Dashboard:
    """All of a dashboard."""
    before = dashboard.previous_period
    return dashboard_pb2.Dashboard(
        **_range(dashboard.question),
        interval=dashboard.question.range.interval,
        overview=_overview(dashboard.overview),
        previous=dashboard_pb2.PreviousPeriod(
            start=instant(before.start), end=instant(before.end), overview=_overview(dashboard.previous)
        ),
        top_products=map(_top_product, dashboard.top_products),
        traffic_sources=map(_dimension, dashboard.sources),
        devices=map(_dimension, dashboard.devices),
        countries=map(_dimension, dashboard.countries),
        series=[
            figures_pb2.SeriesPoint(
                start=instant(period.start), end=instant(period.end), figures=_overview(figures)
            )
            for period, figures in dashboard.series
        ],
    )


def product_message(statistics: ProductStatistics) -> dashboard_pb2.ProductStatistics:
    """All of a product's figures."""
    return dashboard_pb2.ProductStatistics(
        **_range(statistics.question),
        interval=statistics.question.range.interval,
        product_id=statistics.product_id,
        **_product_figures(statistics.overview),
        series=[
            dashboard_pb2.ProductSeriesPoint(
                start=instant(period.start),
                end=instant(period.end),
                figures=dashboard_pb2.ProductOverview(**_product_figures(figures)),
            )
            for period, figures in statistics.series
        ],
    )


def funnel_message(funnel: Funnel) -> dashboard_pb2.Funnel:
    """Every step; a funnel has no series, hence no interval."""
    return dashboard_pb2.Funnel(
        **_range(funnel.question),
        steps=[
            dashboard_pb2.FunnelStep(
                name=step.name,
                sessions=step.sessions,
                percent_of_previous=step.percent_of_previous,
                percent_of_first=step.percent_of_first,
            )
            for step in funnel.steps
        ],
    )


def realtime_message(realtime: Realtime) -> realtime_pb2.Realtime:
    """The running minutes and today."""
    return realtime_pb2.Realtime(
        as_of=instant(realtime.as_of),
        timezone=realtime.timezone,
        today_start=instant(realtime.today_start),
        today=_live(realtime.today),
        minutes=[
            realtime_pb2.LiveMinute(start=instant(at), figures=_live(figures))
            for at, figures in realtime.minutes
        ],
        replayed=realtime.replayed,
    )


def _range(question: Question) -> dict[str, Any]:
    """Which range was read and how far it is counted: fields that every answer about a range has."""
    known = question.freshness
    return {
        "start": instant(question.range.start),
        "end": instant(question.range.end),
        "timezone": question.range.zone.key,
        "as_of": None if known.as_of is None else instant(known.as_of),
        "lag_seconds": known.lag_seconds,
        "complete": known.complete,
    }


def _overview(figures: Overview) -> figures_pb2.Overview:
    counts, earned = figures.counts, figures.conversions
    return figures_pb2.Overview(
        page_views=counts.page_views,
        unique_visitors=figures.audience.visitors,
        sessions=figures.audience.sessions,
        clicks=counts.clicks,
        unique_clicks=counts.unique_clicks,
        conversions=earned.earning,
        pending_conversions=earned.pending,
        conversion_rate=figures.conversion_rate,
        revenue=_amounts(earned.revenue),
        commission=_amounts(earned.commission),
        average_order_value=_amounts(figures.average_order_value),
        bot_events=counts.bot_events,
        bot_clicks=counts.bot_clicks,
    )


def _product_figures(figures: ProductOverview) -> dict[str, Any]:
    """Fields that a product's range and each of its intervals have."""
    counts, earned = figures.counts, figures.conversions
    return {
        "views": counts.views,
        "clicks": counts.clicks,
        "unique_clicks": counts.unique_clicks,
        "add_to_cart": counts.add_to_carts,
        "purchases": counts.purchases,
        "conversions": earned.earning,
        "pending_conversions": earned.pending,
        "ctr": figures.ctr,
        "revenue": _amounts(earned.revenue),
        "commission": _amounts(earned.commission),
    }


def _top_product(each: TopProduct) -> figures_pb2.ProductFigures:
    return figures_pb2.ProductFigures(
        product_id=each.product_id,
        views=each.counts.views,
        clicks=each.counts.clicks,
        add_to_cart=each.counts.add_to_carts,
        purchases=each.counts.purchases,
        revenue=_amounts(each.revenue),
    )


def _dimension(each: Dimension) -> figures_pb2.DimensionFigures:
    return figures_pb2.DimensionFigures(
        name=each.name, page_views=each.page_views, events=each.events, unique_visitors=each.visitors
    )


def _amounts(money: Money) -> Iterable[figures_pb2.CurrencyAmount]:
    return [
        figures_pb2.CurrencyAmount(currency=name, amount=amount) for name, amount in sorted(money.items())
    ]


def _live(figures: LiveFigures) -> realtime_pb2.LiveFigures:
    names = LiveFigures.__dataclass_fields__
    return realtime_pb2.LiveFigures(**{name: getattr(figures, name) for name in names})


def instant(at: datetime) -> Timestamp:
    """The moment, which carries a zone, to the microsecond."""
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
