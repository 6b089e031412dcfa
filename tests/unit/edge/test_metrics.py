"""What Prometheus reads."""

from prometheus_client import CollectorRegistry, generate_latest

from edge.metrics import EdgeMetrics


def scrape(metrics: EdgeMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode()


def test_a_route_has_rate_errors_and_duration() -> None:
    """Statuses are counted and durations fall into cumulative buckets."""
    metrics = EdgeMetrics()
    for status, seconds in ((302, 0.0004), (302, 0.003), (404, 99.0)):
        metrics.route("/l/{code}").observe(status, seconds)
    text = scrape(metrics)
    assert 'millrace_edge_requests_total{route="/l/{code}",status="302"} 2.0' in text
    assert 'millrace_edge_requests_total{route="/l/{code}",status="404"} 1.0' in text
    assert 'millrace_edge_request_seconds_bucket{le="0.0005",route="/l/{code}"} 1.0' in text
    assert 'millrace_edge_request_seconds_bucket{le="0.005",route="/l/{code}"} 2.0' in text
    assert 'millrace_edge_request_seconds_bucket{le="+Inf",route="/l/{code}"} 3.0' in text


def test_unrecorded_clicks_are_shown_by_reason() -> None:
    """What the disk was only slow about may be kept after all, and is told apart."""
    metrics = EdgeMetrics()
    metrics.clicks_unrecorded["slow"] += 2
    metrics.clicks_unrecorded["unavailable"] += 1
    text = scrape(metrics)
    assert 'millrace_edge_clicks_unrecorded_total{reason="slow"} 2.0' in text
    assert 'millrace_edge_clicks_unrecorded_total{reason="unavailable"} 1.0' in text


def test_gauges_are_read_at_the_scrape() -> None:
    """The value is that of the moment."""
    metrics, value = EdgeMetrics(), [1.0]
    metrics.gauge("something", "Something", lambda: value[0])
    value[0] = 7.0
    assert "millrace_edge_something 7.0" in scrape(metrics)
