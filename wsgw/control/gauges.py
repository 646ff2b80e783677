"""What /metrics shows of the whole node beside what its parts count: gauges that are read when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable

from wsgw.edge.departures import Departures
from wsgw.edge.listeners import Listeners
from wsgw.edge.node import Node
from wsgw.firewall.firewalls import Firewalls
from wsgw.integrations.http_pool import HttpPool
from wsgw.live.stages import Stages
from wsgw.observe.lag import LoopLag
from wsgw.observe.metrics import Metrics
from wsgw.settings import Settings
from wsgw.stores.chosen import Stores


def add_gauges(
    metrics: Metrics,
    settings: Settings,
    *,
    node: Node,
    lag: LoopLag,
    pool: HttpPool,
    stores: Stores,
    departures: Departures,
    listeners: Listeners,
    firewalls: Firewalls,
    stages: Stages,
) -> None:
    """Have `metrics` ask each of these parts of a node."""
    gauge = metrics.gauge
    gauge("connections", "Open connections", lambda: len(node))
    gauge("max_connections", "The setting; 0 is no bound", lambda: settings.max_connections)
    gauge("event_loop_lag_p99_seconds", "How late timers fire, 99 in 100", lambda: lag.quantile(0.99))
    gauge("event_loop_lag_max_seconds", "How late timers fire at worst", lambda: lag.quantile(1))
    gauge("backend_connections", "Connections to HTTP backends", lambda: pool.counts().open)
    gauge("backend_calls_waiting", "Calls that wait for a connection", lambda: pool.counts().waiting)
    if settings.redis:
        gauge("nodes", "Nodes of the cluster, as this one sees them", stores.nodes)
        gauge("redis_up", "1 while Redis can be reached, and is heard", lambda: float(not stores.away()))
    gauge("departures_waiting", "$disconnects that wait for another attempt", lambda: departures.waiting)
    gauge("books_adopted", "Books of dead nodes that are worked through now", lambda: departures.adopting)
    metrics.counters(stores.counts)
    metrics.counters(
        lambda: {
            "departures_given_up": ("$disconnects that no backend took", departures.given_up),
            "departures_delivered": ("$disconnects taken late, or of dead nodes", departures.delivered),
        }
    )
    metrics.gauge_by(
        "tls_certificate_not_after_seconds",
        "When a host's certificate runs out, in seconds of the epoch",
        ("host",),
        lambda: _certificate_times(listeners),
    )
    metrics.counters_by(
        "firewall_requests",
        "Requests and handshakes that rules of web ACLs have allowed, blocked or counted",
        ("api_id", "stage", "rule", "action"),
        firewalls.tallies,
    )
    metrics.gauge_by_stage(
        "stage_connections",
        "Open connections by stage",
        lambda: [(key, float(slot.connections)) for key, slot in stages.slots()],
    )


def _certificate_times(listeners: Listeners) -> Iterable[tuple[tuple[str], float]]:
    certificates = listeners.certificates
    return () if certificates is None else certificates.not_after()
