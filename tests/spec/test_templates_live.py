r"""Request templates on the way to a backend: which one is chosen, what passes without one, what they see, and content
handling.

Source: AWS WebSocket developer guide, "WebSocket API mapping template and parameter reference" and "Working with binary
media types"; service model `apigatewayv2`, passthroughBehavior. Rows that nobody has recorded are named as choices.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.raw_websocket import BINARY
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration, IntegrationResponse

PASSED = '{"action":"x","kind":"a","n":1}'
PING = route("ping", mock("pong"), two_way=True)


def to_http(backend: Backend, **members: Any) -> Integration:
    return Integration(type="HTTP", uri=f"{backend.url}/x", **members)


async def body_at(backend: Backend, gateway: TestGateway, integration: Integration, message: str = PASSED) -> str:
    """What the backend gets for `message`."""
    gateway.serve(PING, route("x", integration))
    client = await gateway.connect()
    await client.send_text(message)
    (received,) = await backend.wait_for("/x")
    return received.text


async def refusal_of(backend: Backend, gateway: TestGateway, integration: Integration, message: str = PASSED) -> str:
    """What the client is told for a `message` that does not reach the backend."""
    gateway.serve(PING, route("x", integration))
    client = await gateway.connect()
    await client.send_text(message)
    frame = await client.receive_json()
    assert backend.requests == []
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"
    return str(frame["message"])


# ---- which template

A, D = "template a", "template default"
CHOSEN = [
    pytest.param("${request.body.kind}", {"a": A, "$default": D}, A, id="the key that the expression gives"),
    pytest.param("$request.body.kind", {"b": A, "$default": D}, D, id="no such key: $default"),
    pytest.param("$request.body.kind", {"b": A, "\\$default": D}, D, id="$default with its backslash"),
    pytest.param("$request.body.nothere", {"a": A, "$default": D}, D, id="a path that leads nowhere"),
    pytest.param("\\$default", {"a": A, "$default": D}, D, id="the expression is $default"),
    pytest.param("\\$default", {"a": A, "\\$default": D}, D, id="the expression and the key have a backslash"),
    pytest.param("$default", {"a": A, "\\$default": D}, D, id="only the key has it"),
    pytest.param("a", {"a": A, "$default": D}, A, id="a literal expression"),
    pytest.param("k-${request.body.n}", {"k-1": A, "$default": D}, A, id="a literal and a number"),
    pytest.param(None, {"$default": D}, D, id="no expression: $default"),
    pytest.param(None, {"\\$default": D}, D, id="no expression: $default with its backslash"),
    pytest.param(None, {"application/json": A}, A, id="no expression: the key that samples use"),
    pytest.param(
        None, {"application/json": A, "$default": D}, D, id="no expression: $default before that key (choice)"
    ),
    pytest.param(
        "$request.body.kind", {"b": A, "application/json": D}, PASSED, id="with an expression that key is a key"
    ),
    pytest.param(None, {"a": A}, PASSED, id="no expression, and no such key: passes"),
]


@pytest.mark.parametrize(("expression", "templates", "body"), CHOSEN)
async def test_the_template_is_chosen(
    gateway: TestGateway, backend: Backend, expression: str | None, templates: dict[str, str], body: str
):
    integration = to_http(backend, template_selection_expression=expression, request_templates=templates)
    assert await body_at(backend, gateway, integration) == body


# ---- none is chosen

SOME = {"other": A}
UNSUPPORTED = "Unsupported Media Type"
PASSTHROUGH = [
    pytest.param("WHEN_NO_MATCH", {}, True, id="WHEN_NO_MATCH, no templates"),
    pytest.param("WHEN_NO_MATCH", SOME, True, id="WHEN_NO_MATCH, none matches"),
    pytest.param("WHEN_NO_TEMPLATES", {}, True, id="WHEN_NO_TEMPLATES, no templates"),
    pytest.param("WHEN_NO_TEMPLATES", SOME, False, id="WHEN_NO_TEMPLATES, none matches"),
    pytest.param("NEVER", {}, False, id="NEVER, no templates"),
    pytest.param("NEVER", SOME, False, id="NEVER, none matches"),
]


@pytest.mark.parametrize(("behavior", "templates", "passes"), PASSTHROUGH)
async def test_a_message_without_a_template_passes_or_is_refused(
    gateway: TestGateway, backend: Backend, behavior: Any, templates: dict[str, str], passes: bool
):
    integration = to_http(
        backend,
        passthrough_behavior=behavior,
        template_selection_expression="$request.body.kind",
        request_templates=templates,
    )
    if passes:
        assert await body_at(backend, gateway, integration) == PASSED
    else:
        assert await refusal_of(backend, gateway, integration) == UNSUPPORTED


async def test_what_passes_is_unchanged_byte_for_byte(gateway: TestGateway, backend: Backend):
    message = ' {"action" :  "x", "text": "Gr\\u00fc\u00dfe \U0001f600", "n": 1.50 }\n'
    assert await body_at(backend, gateway, to_http(backend), message) == message


async def test_a_message_that_is_no_json_passes(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$default", to_http(backend)))
    client = await gateway.connect()
    await client.send_text("plain")
    assert (await backend.wait_for("/x"))[0].text == "plain"


# ---- what a template sees

SEEN = [
    pytest.param("$input.body", PASSED, id="the message"),
    pytest.param("$input.json('$')", PASSED, id="the message as JSON"),
    pytest.param("$input.json('$.kind')", '"a"', id="a part as JSON"),
    pytest.param("$input.path('$.kind')", "a", id="a part as a value"),
    pytest.param("$context.routeKey $context.eventType", "x MESSAGE", id="context"),
    pytest.param("$context.stage/$context.apiId", "prod/chat", id="stage and API"),
    pytest.param("$context.messageDirection", "IN", id="direction"),
    pytest.param(
        "$stageVariables.tier $stageVariables['tier'] ${stageVariables.tier}", "gold gold gold", id="variables"
    ),
    pytest.param("$util.base64Encode($input.path('$.kind'))", "YQ==", id="util"),
    pytest.param("#if($input.path('$.n') == 1)one#else other#end", "one", id="a condition"),
    pytest.param("[$nothere.at.all]", "[]", id="an unknown reference is nothing"),
]


@pytest.mark.parametrize(("template", "body"), SEEN)
async def test_a_template_sees(gateway: TestGateway, backend: Backend, template: str, body: str):
    stage = Stage(name="prod", variables={"tier": "gold"})
    gateway.serve(route("x", to_http(backend, request_templates={"$default": template})), stage=stage)
    client = await gateway.connect()
    await client.send_text(PASSED)
    assert (await backend.wait_for("/x"))[0].text == body


async def test_ids_and_times_in_a_template_are_those_of_the_message(gateway: TestGateway, backend: Backend):
    template = (
        '{"c":"$context.connectionId","m":"$context.messageId","r":"$context.requestId","e":"$context.extendedRequestId",'
        '"at":$context.connectedAt,"t":$context.requestTimeEpoch,"ip":"$context.identity.sourceIp",'
        '"d":"$context.domainName"}'
    )
    gateway.serve(route("x", to_http(backend, request_templates={"$default": template})))
    client = await gateway.connect()
    gateway.clock.added += 60
    await client.send_text(PASSED)
    (received,) = await backend.wait_for("/x")
    seen, connection = json.loads(received.text), gateway.connections[0]
    assert (seen["c"], seen["at"]) == (connection.id, connection.connected_at)
    assert seen["m"] == received.header("Wsgw-Message-Id")
    assert seen["r"] == seen["e"] == received.header("Wsgw-Request-Id")
    assert 60_000 <= seen["t"] - seen["at"] < 70_000
    assert seen["ip"] == "127.0.0.1"
    assert f"http://{seen['d']}" == gateway.url


async def test_a_template_of_connect_sees_the_handshakes_query_and_headers(gateway: TestGateway, backend: Backend):
    template = "$input.params('room') $input.params().querystring.room $input.params('X-Token') $context.eventType"
    gateway.serve(route("$connect", to_http(backend, request_templates={"$default": template})))
    await gateway.connect("/prod?room=first&room=last", headers=[("X-Token", "t")])
    assert (await backend.wait_for("/x"))[0].text == "last last t CONNECT"


async def test_a_template_of_disconnect_sees_how_it_ended(gateway: TestGateway, backend: Backend):
    template = "$context.eventType $context.disconnectStatusCode $context.disconnectReason"
    gateway.serve(route("$disconnect", to_http(backend, request_templates={"$default": template})))
    client = await gateway.connect()
    await client.close(4000, "enough")
    assert (await backend.wait_for("/x"))[0].text == "DISCONNECT 4000 enough"


async def test_a_template_that_fails_is_an_error_of_the_definition(gateway: TestGateway, backend: Backend):
    integration = to_http(backend, request_templates={"$default": "#foreach($i in [1..2000])x#end"})
    assert await refusal_of(backend, gateway, integration) == "Internal server error"


async def test_http_proxy_ignores_templates(gateway: TestGateway, backend: Backend):
    integration = http(f"{backend.url}/x", request_templates={"$default": A}, passthrough_behavior="NEVER")
    assert await body_at(backend, gateway, integration) == PASSED


# ---- content handling


async def test_base64_text_becomes_bytes_on_the_way_to_the_backend(gateway: TestGateway, backend: Backend):
    data = bytes(range(256))
    for integration in (
        to_http(backend, content_handling="CONVERT_TO_BINARY"),
        http(f"{backend.url}/x", content_handling="CONVERT_TO_BINARY"),
    ):
        gateway.serve(route("$default", integration))
        client = await gateway.connect()
        await client.send_text(base64.b64encode(data).decode())
        assert (await backend.wait_for("/x"))[0].body == data
        backend.requests.clear()


async def test_a_templates_output_is_what_is_converted(gateway: TestGateway, backend: Backend):
    integration = to_http(
        backend, content_handling="CONVERT_TO_BINARY", request_templates={"$default": "$input.path('$.data')"}
    )
    assert await body_at(backend, gateway, integration, '{"action":"x","data":"aGVsbG8="}') == "hello"


@pytest.mark.parametrize("type", ["HTTP", "HTTP_PROXY"])
async def test_what_is_no_base64_is_refused(gateway: TestGateway, backend: Backend, type: Any):
    integration = Integration(type=type, uri=f"{backend.url}/x", content_handling="CONVERT_TO_BINARY")
    assert await refusal_of(backend, gateway, integration) == "Internal server error"


async def test_a_binary_payload_becomes_base64_on_the_way_to_the_client(gateway: TestGateway, backend: Backend):
    data = bytes(range(256))
    backend.on("/x", 200, data)
    response = IntegrationResponse(key="$default", content_handling="CONVERT_TO_TEXT")
    gateway.serve(route("x", to_http(backend, responses=(response,)), two_way=True))
    client = await gateway.connect()
    await client.send_text(PASSED)
    assert base64.b64decode(await client.receive()) == data


async def test_a_binary_message_becomes_base64_on_the_way_to_the_backend(gateway: TestGateway, backend: Backend):
    """Ours: API Gateway takes no binary messages."""
    integration = to_http(backend, content_handling="CONVERT_TO_TEXT")
    gateway.serve(route("$default", integration), binary_messages="PASS")
    client = await gateway.connect()
    await client.send_frame(BINARY, b"\xff\x00")
    assert (await backend.wait_for("/x"))[0].text == "/wA="
