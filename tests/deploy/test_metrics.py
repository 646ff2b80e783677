"""Alerts and dashboard: expressions that Prometheus reads, over metrics that the gateway has."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import promql_parser
import pytest
import trustme
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.cluster import PATIENT
from tests.harness.redis_server import RedisServer
from tests.harness.serving import serving

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())
DASHBOARD = json.loads((ROOT / "deploy/grafana/wsgw.json").read_text())
OPERATIONS = (ROOT / "docs/operations.md").read_text()
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
#: What only the supervisor of several workers, or a gateway with TLS, exports.
ELSEWHERE = {"wsgw_worker_restarts_total", "wsgw_workers", "wsgw_tls_certificate_not_after_seconds"}
#: Prometheus's own.
OTHERS = {"up"}


def panels() -> list[dict]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """(where, expression) of every expression, Grafana's variables filled in."""
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def selectors(expression: object) -> Iterator[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []
    promql_parser.walk(
        expression, lambda node: found.append(node) if isinstance(node, promql_parser.VectorSelector) else None
    )
    yield from found


def names() -> set[str]:
    return {selector.name for _, query in queries() for selector in selectors(promql_parser.parse(query))} - OTHERS


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_prometheus_reads_it(where: str, query: str):
    assert list(selectors(promql_parser.parse(query))), f"{where}: no metric in {query}"


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_counters_are_asked_for_their_growth_and_gauges_for_their_value(where: str, query: str):
    for name in re.findall(r"wsgw_\w+_(?:total|count|bucket)\b(?=[^\]]*)", query):
        assert re.search(rf"(rate|increase)\((?:[^()]|\([^()]*\))*{name}[^)]*\[", query), f"{where}: {name}"


async def exported(*options: str) -> set[str]:
    """The names of all series that a gateway with these options exports."""
    file, secret = ROOT / "examples/chat/wsgw.yaml", "s" * 32
    async with (
        RedisServer() as redis,
        serving(file, "--redis", redis.url, *PATIENT, "--cluster-secret", secret, *options) as served,
        aiohttp.ClientSession() as session,
        session.get(served.ready["control"] + "/metrics") as answer,
    ):
        assert answer.status == 200
        text = await answer.text()
        # Workers of a supervisor that was killed would outlive it, and this test, by a moment.
        served.signal(signal.SIGTERM)
        assert await served.ended() == 0
    names = set()
    for family in text_string_to_metric_families(text):
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names


async def test_every_metric_is_one_that_a_gateway_exports():
    assert names() - ELSEWHERE <= await exported()


async def test_with_workers_and_tls_there_are_the_others_too(tmp_path: Path):
    certificate, file = trustme.CA().issue_cert("gw.example.com"), tmp_path / "gw.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(file)
    assert names() <= await exported("--workers", "2", "--tls-cert", str(file))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_each_alert_has_its_section_in_the_runbook(alert: dict):
    assert re.search(rf"^#+ {alert['alert']}$", OPERATIONS, flags=re.MULTILINE)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_each_alert_says_how_urgent_it_is_and_what_it_means(alert: dict):
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["summary"]
    assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}


def test_panels_have_ids_of_their_own_and_do_not_overlap():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_every_panel_uses_the_data_source_that_is_chosen():
    sources = [one["datasource"]["uid"] for panel in panels() for one in (panel, *panel["targets"])]
    assert set(sources) == {"${datasource}"}
