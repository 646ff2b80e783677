"""The control port: health, readiness, metrics after known traffic, and who may ask.

Source of the counters' names and meanings: AWS WebSocket developer guide, "Monitoring WebSocket API execution with
CloudWatch metrics".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.management import manage
from tests.harness.raw_http import request
from tests.harness.raw_websocket import HandshakeRefused, Response, exchange
from wsgw.app import App
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration

PING = route("ping", mock("pong"), two_way=True)
Samples = dict[tuple[str, ...], float]


async def ask(
    gateway: TestGateway, path: str, headers: Sequence[tuple[str, str]] = (), *, host: str = "", method: str = "GET"
) -> Response:
    """One request to the control port."""
    named = host or urlsplit(gateway.control).netloc
    return await exchange(gateway.control, request(path, named, headers, method=method))


async def samples(gateway: TestGateway) -> Samples:
    """All samples of /metrics by name and the values of their labels, in the labels' alphabetical order."""
    response = await ask(gateway, "/metrics")
    assert response.status == 200
    families = text_string_to_metric_families(response.body.decode())
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


# ---- health and readiness


async def test_health_is_ok_as_long_as_the_loop_turns(gateway: TestGateway):
    response = await ask(gateway, "/healthz")
    assert (response.status, response.body) == (200, b"ok\n")


async def test_readiness_waits_for_the_first_deployment(gateway: TestGateway):
    response = await ask(gateway, "/readyz")
    assert (response.status, response.body) == (503, b"not deployed yet\n")
    gateway.serve(PING)
    response = await ask(gateway, "/readyz")
    assert (response.status, response.body) == (200, b"ready\n")


async def test_readiness_ends_with_the_drain_and_health_does_not(gateway: TestGateway):
    gateway.serve(PING)
    clients = [await gateway.connect() for _ in range(2)]
    stopping = asyncio.create_task(gateway.app.stop(drain=0.05))
    # The drain has begun when the first has been told.
    assert await clients[0].receive_close() == (1001, "Going away")
    ready, healthy = await ask(gateway, "/readyz"), await ask(gateway, "/healthz")
    assert (ready.status, ready.body) == (503, b"draining\n")
    assert healthy.status == 200
    assert await clients[1].receive_close() == (1001, "Going away")
    for client in clients:
        await client.drop()
    assert await stopping == 0


# ---- counters


async def test_every_counter_after_known_traffic(gateway: TestGateway, backend: Backend):
    backend.on("/fine", 200, "y")
    backend.on("/broken", 500, "y")
    backend.on("/wrong", 404, "y")
    gateway.serve(
        PING,
        route("$connect", http(f"{backend.url}/fine")),
        route("$disconnect", http(f"{backend.url}/fine")),
        route("one-way", http(f"{backend.url}/fine")),
        route("two-way", http(f"{backend.url}/fine"), two_way=True),
        route("broken", http(f"{backend.url}/broken")),
        route("wrong", http(f"{backend.url}/wrong")),
        route("away", http("http://127.0.0.1:1/")),
        route("unmapped", Integration(type="MOCK", request_templates={"$default": '{"statusCode":200}'}), two_way=True),
    )
    first, second = await gateway.connect(), await gateway.connect()
    (id, _) = (connection.id for connection in gateway.connections)
    for action, answered in (
        ("one-way", False),
        ("two-way", True),
        ("two-way", True),
        ("broken", False),
        ("wrong", False),
        ("away", True),
        ("unmapped", True),
        ("nowhere", True),
        ("nowhere", True),
        ("ping", True),
    ):
        await first.send_json({"action": action})
        if answered:
            await first.receive()
    await manage(gateway, "POST", id, b"pushed")
    assert await first.receive_text() == "pushed"
    await manage(gateway, "POST", "no id", b"pushed")
    await second.close()
    await backend.wait_for("/fine", 6)
    async with asyncio.timeout(5):  # Nothing tells when the answer to `$disconnect` has come.
        while ("wsgw_integration_latency_milliseconds_count", "chat", "$disconnect", "prod") not in (
            found := await samples(gateway)
        ):
            pass

    def counted(name: str) -> dict[str, float]:
        """By route."""
        return {labels[1]: value for (metric, *labels), value in found.items() if metric == f"wsgw_{name}_total"}

    management = "POST /@connections/{connectionId}"
    assert counted("connect_count") == {"$connect": 2}
    # Messages from clients, what answers them, and pushes. What finds no route has no series.
    assert counted("message_count") == {
        "one-way": 1,
        "two-way": 4,
        "broken": 1,
        "wrong": 1,
        "away": 1,
        "unmapped": 1,
        "ping": 2,
        management: 1,
    }
    assert counted("client_error") == {"": 2, management: 1}
    assert counted("integration_error") == {"broken": 1, "wrong": 1}
    assert counted("execution_error") == {"away": 1, "unmapped": 1}
    latencies = {
        labels[1]: value
        for (metric, *labels), value in found.items()
        if metric == "wsgw_integration_latency_milliseconds_count"
    }
    # Not of mocks and management calls, nor where there was no answer.
    assert latencies == {"$connect": 2, "$disconnect": 1, "one-way": 1, "two-way": 2, "broken": 1, "wrong": 1}


async def test_a_refusing_connect_is_an_integration_error(gateway: TestGateway, backend: Backend):
    backend.on("/c", 403)
    gateway.serve(route("$connect", http(f"{backend.url}/c")))
    with pytest.raises(HandshakeRefused, match="403"):
        await gateway.connect()
    found = await samples(gateway)
    for name in ("connect_count_total", "integration_error_total", "integration_latency_milliseconds_count"):
        assert found[(f"wsgw_{name}", "chat", "$connect", "prod")] == 1, name


async def test_a_connect_whose_backend_is_away_is_an_execution_error(gateway: TestGateway):
    gateway.serve(route("$connect", http("http://127.0.0.1:1/")))
    with pytest.raises(HandshakeRefused, match="504"):
        await gateway.connect()
    found = await samples(gateway)
    for name in ("connect_count_total", "execution_error_total"):
        assert found[(f"wsgw_{name}", "chat", "$connect", "prod")] == 1, name
    assert ("wsgw_integration_error_total", "chat", "$connect", "prod") not in found


async def test_latency_is_in_the_bucket_of_its_milliseconds(gateway: TestGateway, backend: Backend):
    async def after_a_while(received: object) -> object:
        await asyncio.sleep(0.06)
        return backend.nothing(b"y")

    backend.answer("/x", after_a_while)  # type: ignore[arg-type]
    gateway.serve(route("x", http(f"{backend.url}/x"), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": "x"})
    await client.receive()
    found = await samples(gateway)
    name = "wsgw_integration_latency_milliseconds"
    buckets = {labels[1]: value for (metric, *labels), value in found.items() if metric == f"{name}_bucket"}
    assert (buckets["50"], buckets["+Inf"]) == (0, 1)
    assert found[(f"{name}_sum", "chat", "x", "prod")] > 50


async def test_counters_do_not_go_back_with_a_deployment(gateway: TestGateway):
    for total in (2, 4):
        gateway.serve(PING)
        client = await gateway.connect()
        await client.send_json({"action": "ping"})
        await client.receive()
        found = await samples(gateway)
        assert found[("wsgw_message_count_total", "chat", "ping", "prod")] == total


# ---- gauges


async def test_open_connections_are_gauged_as_a_whole_and_by_stage(gateway: TestGateway):
    stages = {name: Stage(name=name) for name in ("one", "two")}
    gateway.deploy(api(PING, stages=stages))
    clients = [await gateway.connect(path) for path in ("/one", "/one", "/two")]

    async def open_ones() -> tuple[float, float, float]:
        found = await samples(gateway)
        by_stage = (found[("wsgw_stage_connections", "chat", stage)] for stage in ("one", "two"))
        return found[("wsgw_connections",)], *by_stage

    assert await open_ones() == (3, 2, 1)
    await clients[0].close()
    assert await open_ones() == (2, 1, 1)


GAUGES = [
    "wsgw_connections",
    "wsgw_event_loop_lag_p99_seconds",
    "wsgw_event_loop_lag_max_seconds",
    "wsgw_backend_connections",
    "wsgw_backend_calls_waiting",
]


async def test_all_gauges_are_there_before_anything_has_happened(gateway: TestGateway):
    found = await samples(gateway)
    assert {name for name in GAUGES if (name,) in found} == set(GAUGES)
    assert found[("wsgw_connections",)] == 0


async def test_connections_to_backends_are_gauged(gateway: TestGateway, backend: Backend):
    gateway.serve(route("x", http(f"{backend.url}/x"), two_way=True))
    backend.on("/x", 200, "y")
    client = await gateway.connect()
    await client.send_json({"action": "x"})
    await client.receive()
    assert (await samples(gateway))[("wsgw_backend_connections",)] == 1


async def test_the_content_type_is_prometheuss(gateway: TestGateway):
    assert (await ask(gateway, "/metrics")).header("content-type") == "text/plain; version=0.0.4; charset=utf-8"


# ---- who may ask

PATHS = ["/healthz", "/readyz", "/metrics", "/connections"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1:{port}", "x@127.0.0.1"]
)
async def test_a_foreign_host_is_refused(gateway: TestGateway, path: str, host: str):
    """A page whose name was made to lead here (DNS rebinding) says its own name."""
    port = urlsplit(gateway.control).port
    response = await ask(gateway, path, host=host.format(port=port))
    assert response.status in (400, 403)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:{port}"])
async def test_a_request_of_a_web_page_is_refused(gateway: TestGateway, path: str, origin: str):
    sent = [("Origin", origin.format(port=urlsplit(gateway.control).port))]
    response = await ask(gateway, path, sent)
    assert response.status == 403
    assert list(json.loads(response.body)) == ["message"]


async def test_a_web_page_cannot_close_or_write_to_a_connection(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect()
    path = f"/connections/{gateway.connections[0].id}".replace("=", "%3D")
    for method in ("POST", "DELETE"):
        assert (await ask(gateway, path, [("Origin", "https://evil.example")], method=method)).status == 403
        assert (await ask(gateway, path, host="evil.example", method=method)).status == 403
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"


@pytest.mark.parametrize(("host", "status"), [("10.0.0.1:{port}", 200), ("[fd00::1]", 200), ("evil.example", 403)])
async def test_a_control_port_on_all_addresses_may_be_asked_by_any_of_them(
    make_gateway: MakeGateway, host: str, status: int
):
    """An address cannot be made to lead elsewhere, as a name can."""
    gateway = await make_gateway(control_host="0.0.0.0")
    response = await ask(gateway, "/healthz", host=host.format(port=urlsplit(gateway.control).port))
    assert response.status == status


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/metrics", 200), ("/connections", 403)])
@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.7", None])
async def test_from_another_machine_there_are_metrics_and_no_connections(
    gateway: TestGateway, monkeypatch: pytest.MonkeyPatch, path: str, status: int, peer: str | None
):
    monkeypatch.setattr(web.Request, "remote", peer)
    assert (await ask(gateway, path)).status == status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:{port}", "localhost", "[::1]:{port}", "[::1]"])
async def test_the_machine_itself_may_ask_by_any_of_its_names(gateway: TestGateway, host: str):
    response = await ask(gateway, "/healthz", host=host.format(port=urlsplit(gateway.control).port))
    assert response.status == 200


async def test_the_data_port_has_none_of_this(gateway: TestGateway):
    gateway.serve(PING)
    for path in PATHS:
        response = await exchange(gateway.url, request(path, urlsplit(gateway.url).netloc))
        assert response.status == 403, path


async def test_what_is_not_there_is_404(gateway: TestGateway):
    assert (await ask(gateway, "/nothing")).status == 404
    assert (await ask(gateway, "/healthz", method="POST")).status == 405


async def test_a_control_port_that_is_taken_is_said_with_its_option(make_gateway: MakeGateway, gateway: TestGateway):
    port = urlsplit(gateway.control).port
    other = App(gateway.settings.__class__(port=0, control_port=port, access_log=""))
    with pytest.raises(OSError, match="choose another with --control-port"):
        await other.start()
    await other.stop(drain=0)
