"""Expositions of many workers → one: what a Prometheus reads of it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from wsgw.observe.metrics import Metrics
from wsgw.server.exposition import family, merged

ONE = """# HELP wsgw_up Up
# TYPE wsgw_up gauge
wsgw_up 1.0
# HELP wsgw_calls_total Calls
# TYPE wsgw_calls_total counter
wsgw_calls_total{route="a b",stage="{x}"} 2.0
"""
TWO = """# HELP wsgw_calls_total Calls
# TYPE wsgw_calls_total counter
wsgw_calls_total{route="a b",stage="{x}"} 3.0
wsgw_calls_total{route="say \\"}\\" "} 4.0
# HELP wsgw_new Only here
# TYPE wsgw_new gauge
wsgw_new 5.0
"""


def read(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    families = list(text_string_to_metric_families(text))
    names = [one.name for one in families]
    assert len(names) == len(set(names)), names
    return {one.name: [(sample.labels, sample.value) for sample in one.samples] for one in families}


def test_a_family_of_several_workers_stands_there_once_with_all_their_samples():
    assert read(merged({0: ONE, 3: TWO})) == {
        "wsgw_up": [({"worker": "0"}, 1.0)],
        "wsgw_calls": [
            ({"worker": "0", "route": "a b", "stage": "{x}"}, 2.0),
            ({"worker": "3", "route": "a b", "stage": "{x}"}, 3.0),
            ({"worker": "3", "route": 'say "}" '}, 4.0),
        ],
        "wsgw_new": [({"worker": "3"}, 5.0)],
    }


def test_help_and_type_come_before_the_samples_of_their_family():
    lines = merged({0: ONE, 1: TWO}).splitlines()
    assert lines.count("# TYPE wsgw_calls_total counter") == 1
    first = next(number for number, line in enumerate(lines) if line.startswith("wsgw_calls_total"))
    assert lines[first - 2 : first] == ["# HELP wsgw_calls_total Calls", "# TYPE wsgw_calls_total counter"]


def test_what_a_gateway_really_exposes_stays_a_histogram():
    metrics = Metrics()
    metrics.route("chat", "prod", "ping").observe_latency(7)
    text = merged({0: metrics.exposition().decode(), 1: metrics.exposition().decode()})
    samples = read(text)["wsgw_integration_latency_milliseconds"]
    assert [value for labels, value in samples if labels.get("le") == "+Inf"] == [1.0, 1.0]
    assert {labels["worker"] for labels, _ in samples} == {"0", "1"}


def test_of_no_worker_there_is_nothing():
    assert merged({}) == ""


def test_a_family_of_the_supervisor_is_read_as_written():
    text = family("wsgw_worker_up", "gauge", "Up", {'worker="0"': 1, 'worker="1"': 0})
    assert read(text) == {"wsgw_worker_up": [({"worker": "0"}, 1.0), ({"worker": "1"}, 0.0)]}
    assert read(family("wsgw_workers", "gauge", "How many", {"": 2})) == {"wsgw_workers": [({}, 2.0)]}
