"""wsgw as a library."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from wsgw import Gateway
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan
from wsgw.settings import SettingError


def gateway_with_chat() -> Gateway:
    gateway = Gateway(port=0, control_port=0, access_log="")
    chat = gateway.websocket("chat")

    @chat.route("greet", two_way=True)
    async def greet(event: dict[str, Any], context: Any) -> dict[str, Any]:
        await context.connections.post(event["requestContext"]["connectionId"], "one moment")
        return {"statusCode": 200, "body": f"Hello, {json.loads(event['body'])['name']}!"}

    return gateway


async def test_a_function_serves_a_route_without_a_definition_file():
    async with gateway_with_chat() as gateway:
        assert gateway.listening is not None
        client = await RawWebSocket.connect(gateway.listening.data.replace("http", "ws") + "/prod")
        await client.send_json({"action": "greet", "name": "Ada"})
        assert await client.receive_text() == "one moment"
        assert await client.receive_text() == "Hello, Ada!"
        await client.close()


async def test_code_outside_of_a_handler_pushes_while_the_gateway_runs():
    gateway = gateway_with_chat()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = gateway.connections
    async with gateway:
        assert gateway.listening is not None
        client = await RawWebSocket.connect(gateway.listening.data.replace("http", "ws") + "/prod")
        await client.send_text("to no route")
        id = (await client.receive_json())["connectionId"]
        await gateway.connections.post(id, b"news")
        assert await client.receive_text() == "news"
        await client.close()


def test_a_route_key_is_given_once():
    chat = Gateway(port=0).websocket("chat")
    chat.route("send")(lambda event, context: None)
    with pytest.raises(ValueError, match="has a route 'send' already"):
        chat.route("send")


def test_an_unknown_setting_names_the_nearest_known_one():
    with pytest.raises(SettingError, match="did you mean 'port'"):
        Gateway(prot=8080)


async def test_a_gateway_in_a_program_may_ask_for_api_keys():
    value = "a-value-of-20-characters"
    gateway = Gateway(
        port=0,
        control_port=0,
        api_keys=(ApiKey(id="partner", value=value),),
        usage_plans=(UsagePlan(id="gold", stages=(PlanStage(api_id="chat", stage="prod"),), keys=("partner",)),),
    )
    chat = gateway.websocket("chat")

    @chat.route("$connect", api_key_required=True)
    async def connect(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return {"statusCode": 200}

    async with gateway:
        assert gateway.listening is not None
        url = gateway.listening.data.replace("http", "ws", 1) + "/prod"
        with pytest.raises(HandshakeRefused):
            await RawWebSocket.connect(url)
        async with await RawWebSocket.connect(url, headers=[("x-api-key", value)]) as client:
            assert not client.closed
