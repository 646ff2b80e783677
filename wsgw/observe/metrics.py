"""Counters and gauges of this process, and their exposition for Prometheus.

The path of a message adds to plain integers (0.05 µs); prometheus-client reads them when scraped. Names of an API's
metrics are CloudWatch's own (ConnectCount, MessageCount, IntegrationError, ClientError, ExecutionError,
IntegrationLatency) in Prometheus spelling. Source: developer guide, "Monitoring WebSocket API execution".
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

#: Upper bounds of the latency buckets, milliseconds.
LATENCY_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)

#: Values of a gauge's labels, with its value for them.
Labelled = Iterable[tuple[tuple[str, ...], float]]

_events: Counter[str] = Counter()


def count(event: str, by: int = 1) -> None:
    """Count something that happens to the process rather than to one API: `outbox_full`, `access_log_dropped`, …"""
    _events[event] += by


class RouteMetrics:
    """What one route of one stage has seen since the process started. Plain integers, added to on the path."""

    __slots__ = (
        "api_id",
        "client_errors",
        "connects",
        "execution_errors",
        "integration_errors",
        "latency_buckets",
        "latency_sum",
        "messages",
        "route_key",
        "stage",
    )

    def __init__(self, api_id: str, stage: str, route_key: str) -> None:
        self.api_id = api_id
        self.stage = stage
        self.route_key = route_key
        self.connects = 0
        self.messages = 0
        self.client_errors = 0
        self.integration_errors = 0
        self.execution_errors = 0
        self.latency_buckets = [0] * (len(LATENCY_BUCKETS) + 1)
        self.latency_sum = 0

    def observe_latency(self, milliseconds: int) -> None:
        self.latency_buckets[bisect_left(LATENCY_BUCKETS, milliseconds)] += 1
        self.latency_sum += milliseconds


class Metrics(Collector):
    """The process's metrics. Routes keep their RouteMetrics over deployments, so that counters never go back."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str, str], RouteMetrics] = {}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._by_label: dict[str, tuple[str, tuple[str, ...], Callable[[], Labelled]]] = {}
        self._counters: list[Callable[[], Mapping[str, tuple[str, int]]]] = []
        self._counters_by: dict[str, tuple[str, tuple[str, ...], Callable[[], Labelled]]] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def route(self, api_id: str, stage: str, route_key: str) -> RouteMetrics:
        """The counters of a route, the same object for the same three names."""
        key = (api_id, stage, route_key)
        if key not in self._routes:
            self._routes[key] = RouteMetrics(*key)
        return self._routes[key]

    def gauge(self, name: str, doc: str, read: Callable[[], float]) -> None:
        """Export `read()` as the gauge `wsgw_{name}` at every scrape."""
        self._gauges[name] = (doc, read)

    def counters(self, read: Callable[[], Mapping[str, tuple[str, int]]]) -> None:
        """Export what `read()` gives, name → (doc, value so far), as the counters `wsgw_{name}_total`."""
        self._counters.append(read)

    def counters_by(self, name: str, doc: str, labels: tuple[str, ...], read: Callable[[], Labelled]) -> None:
        """Export a counter `wsgw_{name}_total` per tuple of values that `labels` have, as `gauge_by` does a gauge."""
        self._counters_by[name] = (doc, labels, read)

    def gauge_by(self, name: str, doc: str, labels: tuple[str, ...], read: Callable[[], Labelled]) -> None:
        """Export a gauge per tuple of values that `labels` have; `read()` gives them with their numbers."""
        self._by_label[name] = (doc, labels, read)

    def gauge_by_stage(self, name: str, doc: str, read: Callable[[], Labelled]) -> None:
        """Export a gauge per (api id, stage)."""
        self.gauge_by(name, doc, ("api_id", "stage"), read)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        yield from self._route_counters()
        yield self._latency()
        for read_counters in self._counters:
            for name, (doc, so_far) in read_counters().items():
                yield CounterMetricFamily(f"wsgw_{name}", doc, value=so_far)
        for name, (doc, labels, read_all) in self._counters_by.items():
            counter = CounterMetricFamily(f"wsgw_{name}", doc, labels=labels)
            for values, value in read_all():
                counter.add_metric(values, value)
            yield counter
        for name, (doc, read) in self._gauges.items():
            yield GaugeMetricFamily(f"wsgw_{name}", doc, value=read())
        for name, (doc, labels, read_all) in self._by_label.items():
            gauge = GaugeMetricFamily(f"wsgw_{name}", doc, labels=labels)
            for values, value in read_all():
                gauge.add_metric(values, value)
            yield gauge
        events = CounterMetricFamily("wsgw_events", "Things that happened to the process, by kind", labels=["event"])
        for event, times in _events.items():
            events.add_metric([event], times)
        yield events

    def _route_counters(self) -> Iterator[Metric]:
        for name, doc, attribute in (
            ("connect_count", "ConnectCount: calls of the $connect route", "connects"),
            (
                "message_count",
                "MessageCount: messages from and to clients; Count: requests of REST and HTTP APIs",
                "messages",
            ),
            (
                "client_error",
                "ClientError: refused before the integration was called; 4XXError of REST and HTTP APIs",
                "client_errors",
            ),
            ("integration_error", "IntegrationError: 4xx and 5xx answers of the integration", "integration_errors"),
            (
                "execution_error",
                "ExecutionError: errors while calling the integration; 5XXError of REST and HTTP APIs",
                "execution_errors",
            ),
        ):
            family = CounterMetricFamily(f"wsgw_{name}", doc, labels=["api_id", "stage", "route"])
            for route in self._routes.values():
                value = getattr(route, attribute)
                if value:
                    family.add_metric([route.api_id, route.stage, route.route_key], value)
            yield family

    def _latency(self) -> Metric:
        family = HistogramMetricFamily(
            "wsgw_integration_latency_milliseconds",
            "IntegrationLatency: from the call of an integration to its answer",
            labels=["api_id", "stage", "route"],
        )
        for route in self._routes.values():
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, number in zip((*map(str, LATENCY_BUCKETS), "+Inf"), route.latency_buckets, strict=True):
                total += number
                buckets.append((bound, total))
            if total:
                family.add_metric([route.api_id, route.stage, route.route_key], buckets, sum_value=route.latency_sum)
        return family
