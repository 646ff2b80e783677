"""Throttles of stages and routes, and new connections a second.

Source: AWS WebSocket developer guide, "Quotas for WebSocket APIs", and "Throttle requests"; texts and statuses of
refusals are choices, as nobody has recorded them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.management import manage
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Stage, StageLimits

SENT, REFUSED = "sent", "Too Many Requests"
A, B, DEFAULT = (route(key, mock(SENT), two_way=True) for key in ("a", "b", "$default"))


def limit(burst: int, rate: float = 0.001) -> ThrottleSettings:
    return ThrottleSettings(rate_limit=rate, burst_limit=burst)


def staged(**members: Any) -> Stage:
    return Stage(name="prod", **members)


async def answers(client: RawWebSocket, *actions: str) -> list[str]:
    """For each action: `sent`, or what the error frame says."""
    got = []
    for action in actions:
        await client.send_json({"action": action})
        text = await client.receive_text()
        got.append(text if text == SENT else json.loads(text)["message"])
    return got


STAGES = [
    pytest.param(staged(), "aaaa", [SENT] * 4, id="no throttle"),
    pytest.param(staged(throttle=limit(2)), "aaa", [SENT, SENT, REFUSED], id="the stage's"),
    pytest.param(staged(throttle=limit(1)), "aabb", [SENT, REFUSED] * 2, id="the stage's, for each route its own"),
    pytest.param(staged(route_throttles={"a": limit(1)}), "aabb", [SENT, REFUSED, SENT, SENT], id="one route's"),
    pytest.param(
        staged(throttle=limit(1), route_throttles={"a": limit(2)}),
        "aaabb",
        [SENT, SENT, REFUSED, SENT, REFUSED],
        id="a route's own before the stage's",
    ),
    pytest.param(staged(route_throttles={"$default": limit(1)}), "xyab", [SENT, REFUSED, SENT, SENT], id="$default's"),
    pytest.param(staged(throttle=limit(0)), "a", [REFUSED], id="a burst of 0 lets nothing through"),
]


@pytest.mark.parametrize(("stage", "actions", "expected"), STAGES)
async def test_messages_beyond_a_throttle_are_refused(
    gateway: TestGateway, stage: Stage, actions: str, expected: list[str]
):
    gateway.serve(A, B, DEFAULT, stage=stage)
    assert await answers(await gateway.connect(), *actions) == expected


async def test_the_refusal_is_an_error_frame_and_the_connection_stays(gateway: TestGateway, backend: Backend):
    one_way = route("x", http(f"{backend.url}/x"), throttle=limit(1))
    gateway.serve(one_way, A)
    client = await gateway.connect()
    for _ in range(2):
        await client.send_json({"action": "x"})
    text = await client.receive_text()
    frame, id = json.loads(text), gateway.connections[0].id
    assert text == f'{{"message": "{REFUSED}", "connectionId":"{id}", "requestId":"{frame["requestId"]}"}}'
    assert await answers(client, "a") == [SENT]
    # The message is lost: the backend has got the first, and no other.
    assert len(backend.got("/x")) == 1


async def test_tokens_come_back_with_time_up_to_the_burst(gateway: TestGateway):
    gateway.serve(A, stage=staged(throttle=limit(2, rate=0.01)))
    client = await gateway.connect()
    assert await answers(client, "a", "a", "a") == [SENT, SENT, REFUSED]
    gateway.advance(50)
    assert await answers(client, "a") == [REFUSED]
    gateway.advance(50)
    assert await answers(client, "a", "a") == [SENT, REFUSED]
    gateway.advance(500)
    assert await answers(client, "a", "a", "a") == [SENT, SENT, REFUSED]


async def test_a_throttle_is_of_all_connections_of_its_stage_together(gateway: TestGateway):
    gateway.serve(A, stage=staged(throttle=limit(2)))
    first, second = await gateway.connect(), await gateway.connect()
    assert await answers(first, "a") == [SENT]
    assert await answers(second, "a", "a") == [SENT, REFUSED]
    assert await answers(first, "a") == [REFUSED]


async def test_stages_and_apis_do_not_share_tokens(gateway: TestGateway):
    stages = {name: Stage(name=name, throttle=limit(1)) for name in ("one", "two")}
    gateway.deploy(api(A, id="x", stages=stages), api(A, id="y", stages=stages))
    for path in ("/x/one", "/x/two", "/y/one", "/y/two"):
        assert await answers(await gateway.connect(path), "a", "a") == [SENT, REFUSED], path


async def test_a_deployment_gives_no_new_tokens(gateway: TestGateway):
    for expected in (SENT, REFUSED):
        gateway.serve(A, stage=staged(throttle=limit(1)))
        assert await answers(await gateway.connect(), "a") == [expected]


async def test_a_message_without_a_route_takes_no_token(gateway: TestGateway):
    gateway.serve(A, stage=staged(throttle=limit(1)))
    assert await answers(await gateway.connect(), "x", "x", "a", "a") == ["Forbidden", "Forbidden", SENT, REFUSED]


# ---- handshakes


async def refusal(gateway: TestGateway) -> tuple[int, str]:
    """Status and message of a refused handshake; fails if it is not refused."""
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    response = refused.value.response
    body = json.loads(response.body)
    assert list(body) == ["message", "connectionId", "requestId"]
    assert response.header("x-amz-apigw-id") == body["requestId"]
    return response.status, body["message"]


async def test_a_throttled_connect_is_429_and_its_integration_is_not_called(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$connect", http(f"{backend.url}/c")), A, stage=staged(route_throttles={"$connect": limit(1)}))
    client = await gateway.connect()
    assert await refusal(gateway) == (429, REFUSED)
    assert len(backend.got("/c")) == 1
    # Its messages are another route's.
    assert await answers(client, "a", "a") == [SENT, SENT]


@pytest.mark.parametrize("with_route", [True, False], ids=["with $connect", "without $connect"])
async def test_new_connections_a_second_are_bounded(gateway: TestGateway, backend: Backend, with_route: bool):
    limits = StageLimits(new_connections_per_second=0.5, new_connections_burst=2)
    routes = [A, route("$connect", http(f"{backend.url}/c"))] if with_route else [A]
    gateway.serve(*routes, stage=staged(limits=limits))
    client = await gateway.connect()
    await gateway.connect()
    assert await refusal(gateway) == (429, REFUSED)
    assert await answers(client, *"aaaa") == [SENT] * 4
    gateway.advance(2)
    await gateway.connect()
    assert await refusal(gateway) == (429, REFUSED)
    assert len(gateway.connections) == 3
    assert len(backend.got("/c")) == (3 if with_route else 0)


async def test_new_connections_can_be_unbounded(gateway: TestGateway):
    limits = StageLimits(new_connections_per_second=0, new_connections_burst=0)
    gateway.serve(A, stage=staged(limits=limits))
    for _ in range(20):
        await gateway.connect()


async def test_new_connections_of_another_stage_are_its_own(gateway: TestGateway):
    limits = StageLimits(new_connections_per_second=0.001, new_connections_burst=1)
    stages = {name: Stage(name=name, limits=limits) for name in ("one", "two")}
    gateway.serve(A, stages=stages)
    for path in ("/one", "/two"):
        await gateway.connect(path)
        with pytest.raises(HandshakeRefused, match="429"):
            await gateway.connect(path)


def test_new_connections_are_500_a_second_with_a_burst_of_500():
    """new connections per second: 500 (burst 500)"""
    limits = StageLimits()
    assert (limits.new_connections_per_second, limits.new_connections_burst) == (500, 500)


# ---- the account


async def test_a_routes_limit_cannot_exceed_the_accounts(make_gateway: MakeGateway):
    """account request rate (REST+HTTP+WebSocket messages+callbacks); route limits cannot exceed the account limit."""
    gateway = await make_gateway(account_rate=0.001, account_burst=4)
    gateway.serve(route("$connect", mock("")), A, B, stage=staged(throttle=limit(100)))
    client = await gateway.connect()  # One.
    assert await answers(client, *"aab") == [SENT] * 3
    assert await answers(client, *"ab") == [REFUSED] * 2
    assert await refusal(gateway) == (429, REFUSED)
    assert (await manage(gateway, "POST", gateway.connections[0].id, b"x")).status == 429


KEYS = [
    pytest.param("$connect", [], (429, REFUSED), id="$connect"),
    pytest.param("$default", ["x"], REFUSED, id="$default"),
    pytest.param("a", ["a"], REFUSED, id="sendMessage"),
    pytest.param("A", ["a"], SENT, id="another case is another key"),
]


@pytest.mark.parametrize(("key", "actions", "expected"), KEYS)
async def test_keys_of_route_settings_are_exact_route_keys(
    gateway: TestGateway, key: str, actions: list[str], expected: Any
):
    """`RouteSettings` keys are exact route keys."""
    stage = staged(route_throttles={key: limit(0)})
    gateway.serve(route("$connect", mock("")), A, DEFAULT, route("A", mock(SENT), two_way=True), stage=stage)
    if actions:
        assert await answers(await gateway.connect(), *actions) == [expected]
    else:
        assert await refusal(gateway) == expected


# ---- the end


async def test_a_disconnect_is_never_throttled(gateway: TestGateway, backend: Backend):
    """Ours: every accepted `$connect` has its `$disconnect`, however many leave at once."""
    gateway.serve(route("$disconnect", http(f"{backend.url}/d")), A, stage=staged(throttle=limit(1)))
    clients = [await gateway.connect() for _ in range(3)]
    for client in clients:
        await client.close()
    assert len(await backend.wait_for("/d", 3)) == 3


# ---- what the operator sees


async def test_what_was_throttled_is_a_client_error_of_its_route(gateway: TestGateway):
    connect = route("$connect", mock(""))
    gateway.serve(A, connect, stage=staged(route_throttles={"a": limit(1), "$connect": limit(1)}))
    client = await gateway.connect()
    await answers(client, "a", "a", "a")
    await refusal(gateway)
    lines = gateway.app.metrics.exposition().decode().splitlines()
    assert 'wsgw_client_error_total{api_id="chat",route="a",stage="prod"} 2.0' in lines
    assert 'wsgw_client_error_total{api_id="chat",route="$connect",stage="prod"} 1.0' in lines
    # ConnectCount is of what was sent to the integration.
    assert 'wsgw_connect_count_total{api_id="chat",route="$connect",stage="prod"} 1.0' in lines
