"""Messages against their route's models, over a socket.

Source: AWS WebSocket developer guide, "Request validation"; JSON Schema draft 4. Rows that it leaves open are named as
choices.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from wsgw.definitions.model import Model
from wsgw.definitions.route import Route

PING = route("ping", mock("pong"), two_way=True)
PERSON = Model(
    name="Person",
    schema={
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            "mail": {"type": "string", "format": "email"},
            "role": {"enum": ["user", "admin"]},
        },
        "required": ["name"],
    },
)
PLACE = Model(name="Place", schema={"type": "object", "required": ["city"]})
MODELS = {"Person": PERSON, "Place": PLACE}


def checked(backend: Backend, expression: str | None, models: dict[str, str]) -> Route:
    """The route `$default`, to a backend, with this model selection."""
    return route(
        "$default",
        http(f"{backend.url}/x"),
        model_selection_expression=expression,
        request_models=models,
    )


async def passes(gateway: TestGateway, backend: Backend, message: str) -> bool:
    """Whether `message` reaches the backend; if not, the client is told, and its connection goes on."""
    client = await gateway.connect()
    await client.send_text(message)
    await client.send_json({"action": "ping"})
    first = await client.receive_text()
    if first == "pong":
        assert [received.text for received in backend.got("/x")] == [message]
        return True
    assert json.loads(first)["message"] == "Bad request body"
    assert await client.receive_text() == "pong"
    assert backend.requests == []
    return False


DOCUMENTS = [
    pytest.param('{"name":"Ada"}', True, id="what is required is there"),
    pytest.param('{"name":"Ada","age":36,"mail":"ada@example.com","role":"admin","more":1}', True, id="all members"),
    pytest.param("{}", False, id="a required member is missing"),
    pytest.param('{"name":7}', False, id="another type"),
    pytest.param('{"name":""}', False, id="too short"),
    pytest.param('{"name":"Ada","age":0}', False, id="draft 4: exclusiveMinimum is a boolean"),
    pytest.param('{"name":"Ada","age":1.0}', False, id="draft 4: 1.0 is no integer"),
    pytest.param('{"name":"Ada","age":1.5}', False, id="no integer"),
    pytest.param('{"name":"Ada","role":"root"}', False, id="not one of an enumeration"),
    pytest.param('{"name":"Ada","mail":"nobody"}', False, id="a format (choice)"),
    pytest.param('["name"]', False, id="an array at top level"),
    pytest.param('"name"', False, id="a string at top level"),
    pytest.param("null", False, id="null at top level"),
    pytest.param("plain", False, id="no JSON"),
    pytest.param("", False, id="an empty message"),
]


@pytest.mark.parametrize(("message", "valid"), DOCUMENTS)
async def test_a_message_reaches_the_backend_if_its_model_allows_it(
    gateway: TestGateway, backend: Backend, message: str, valid: bool
):
    gateway.serve(PING, checked(backend, "$default", {"$default": "Person"}), models=MODELS)
    assert await passes(gateway, backend, message) is valid


TWO = {"person": "Person", "$default": "Place"}
SELECTED = [
    pytest.param("$request.body.kind", TWO, '{"kind":"person","name":"Ada"}', True, id="the key's model allows it"),
    pytest.param("$request.body.kind", TWO, '{"kind":"person","city":"Bern"}', False, id="the key's model does not"),
    pytest.param("$request.body.kind", TWO, '{"kind":"other","city":"Bern"}', True, id="no such key: $default"),
    pytest.param("$request.body.kind", TWO, '{"kind":"other","name":"Ada"}', False, id="no such key: $default refuses"),
    pytest.param("$request.body.kind", TWO, '{"city":"Bern"}', True, id="the member is missing: $default"),
    pytest.param("$request.body.kind", {"person": "Person"}, '{"kind":"place"}', False, id="no such key, no $default"),
    pytest.param("person", TWO, '{"name":"Ada"}', True, id="a literal"),
    pytest.param("\\$default", TWO, '{"city":"Bern"}', True, id="$default with its backslash"),
    pytest.param("$default", TWO, '{"name":"Ada"}', False, id="$default"),
    pytest.param("p${request.body.rest}", TWO, '{"rest":"erson","name":"Ada"}', True, id="a literal and a variable"),
    pytest.param(None, TWO, '{"anything":1}', True, id="no expression: nothing is checked"),
    pytest.param(None, TWO, "plain", True, id="no expression: not even that it is JSON"),
]


@pytest.mark.parametrize(("expression", "models", "message", "valid"), SELECTED)
async def test_the_expression_selects_the_model(
    gateway: TestGateway,
    backend: Backend,
    expression: str | None,
    models: dict[str, str],
    message: str,
    valid: bool,
):
    gateway.serve(PING, checked(backend, expression, models), models=MODELS)
    assert await passes(gateway, backend, message) is valid


async def test_the_frame_of_a_refusal_has_the_message_id_and_not_the_reason(gateway: TestGateway, backend: Backend):
    gateway.serve(checked(backend, "$default", {"$default": "Person"}), models=MODELS)
    client = await gateway.connect()
    await client.send_text('{"name":"canary"' + ',"age":"canary"}')
    text = await client.receive_text()
    frame, id = json.loads(text), gateway.connections[0].id
    assert text == (
        f'{{"message": "Bad request body", "connectionId":"{id}", "requestId":"{frame["requestId"]}", '
        f'"messageId":"{frame["messageId"]}"}}'
    )
    assert (len(frame["requestId"]), frame["messageId"][-1]) == (16, "=")
    assert "canary" not in text


async def test_a_refused_message_is_a_client_error_of_its_route(gateway: TestGateway, backend: Backend):
    gateway.serve(checked(backend, "$default", {"$default": "Person"}), models=MODELS)
    client = await gateway.connect()
    await client.send_text("{}")
    await client.receive_text()
    metrics = gateway.app.metrics.exposition().decode()
    assert 'wsgw_client_error_total{api_id="chat",route="$default",stage="prod"} 1.0' in metrics
    assert "wsgw_integration_error_total{" not in metrics


async def test_one_message_that_fails_does_not_disturb_the_next(gateway: TestGateway, backend: Backend):
    backend.echo("/x")
    gateway.serve(
        route(
            "$default",
            http(f"{backend.url}/x"),
            two_way=True,
            model_selection_expression="$default",
            request_models={"$default": "Person"},
        ),
        models=MODELS,
    )
    client = await gateway.connect()
    got: list[Any] = []
    for message in ({"name": "Ada"}, {"name": 1}, {"name": "Grace"}):
        await client.send_json(message)
        got.append(await client.receive_json())
    assert (got[0], got[1]["message"], got[2]) == ({"name": "Ada"}, "Bad request body", {"name": "Grace"})


async def test_connect_and_disconnect_have_no_message_to_check(gateway: TestGateway, backend: Backend):
    keys = {"$connect": "/c", "$disconnect": "/d"}
    routes = [
        route(
            key,
            http(backend.url + path),
            model_selection_expression="$default",
            request_models={"$default": "Person"},
        )
        for key, path in keys.items()
    ]
    gateway.serve(*routes, models=MODELS)
    client = await gateway.connect()
    await client.close()
    await backend.wait_for("/d")
    assert len(backend.got("/c")) == 1
