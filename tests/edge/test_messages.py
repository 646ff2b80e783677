"""Messages: from the client through the route's integration, and back."""

from __future__ import annotations

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from wsgw.live.route_table import LiveSocketStage


async def test_a_two_way_route_answers_with_the_backends_body(gateway: TestGateway, backend: Backend):
    backend.on("/echo", 200, '{"text":"hello"}')
    gateway.serve(route("echo", http(f"{backend.url}/echo"), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": "echo"})
    assert await client.receive_json() == {"text": "hello"}
    assert backend.got("/echo")[0].text == '{"action": "echo"}'


async def test_a_message_without_a_route_is_refused_and_the_connection_stays_open(gateway: TestGateway):
    gateway.serve(route("ping", mock('{"pong":true}'), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": "other"})
    refusal = await client.receive_json()
    assert refusal["message"] == "Forbidden"
    assert refusal["connectionId"] == gateway.connections[0].id
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True}


async def test_a_bug_around_the_steps_costs_one_message_and_not_the_connection(
    gateway: TestGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    gateway.serve(route("ping", mock('{"pong":true}'), two_way=True))
    client = await gateway.connect()
    with monkeypatch.context() as broken:
        broken.setattr(LiveSocketStage, "route_of", lambda *_: 1 / 0)
        await client.send_json({"action": "ping"})
        assert (await client.receive_json())["message"] == "Internal server error"
    assert "ZeroDivisionError" in caplog.text
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True}
