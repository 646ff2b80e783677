"""Parameter mapping on the way to a backend: every source on every kind of route, every target, required parameters.

Source: AWS WebSocket developer guide, "WebSocket API mapping template and parameter reference". Rows that nobody has
recorded are named as choices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.raw_websocket import HandshakeRefused
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration
from wsgw.errors import DefinitionError

STAGE = Stage(name="prod", variables={"tier": "gold"})
PING = route("ping", mock("pong"), two_way=True)
QUERY = "/prod?room=first&room=last+one&sum=1%2B1&empty="
HEADERS = [("X-Token", "one"), ("x-token", "two"), ("User-Agent", "test/1")]
MESSAGE = '{"action":"x","text":"hi","n":1.5,"yes":true,"none":null,"list":[1,"a"],"of":{"k":"v"}}'
INTERNAL = "Internal server error"


def to(name: str) -> str:
    return f"integration.request.{name}"


def values(received: Received, name: str) -> list[str]:
    return [value for key, value in received.headers if key.lower() == name.lower()]


async def handshake(
    gateway: TestGateway, backend: Backend, mapping: Mapping[str, str], type: str = "HTTP_PROXY"
) -> Received:
    integration = Integration(type=type, uri=f"{backend.url}/c", request_parameters=mapping)
    gateway.serve(route("$connect", integration), stage=STAGE)
    await gateway.connect(QUERY, headers=HEADERS)
    return backend.got("/c")[0]


async def message(
    gateway: TestGateway, backend: Backend, mapping: Mapping[str, str], type: str = "HTTP_PROXY", text: str = MESSAGE
) -> Received:
    integration = Integration(type=type, uri=f"{backend.url}/x", request_parameters=mapping)
    gateway.serve(route("$default", integration), stage=STAGE)
    client = await gateway.connect()
    await client.send_text(text)
    return (await backend.wait_for("/x"))[0]


# ---- sources

OF_THE_HANDSHAKE = [
    pytest.param("route.request.querystring.room", ["last one"], id="query: the last value"),
    pytest.param("route.request.querystring.sum", ["1+1"], id="query: decoded"),
    pytest.param("route.request.querystring.empty", [""], id="query: an empty value"),
    pytest.param("route.request.querystring.Room", [], id="query: names have case"),
    pytest.param("route.request.querystring.nothere", [], id="query: what is not there is left out"),
    pytest.param("route.request.multivaluequerystring.room", ["first", "last one"], id="query: all values"),
    pytest.param("route.request.header.X-TOKEN", ["two"], id="header: the last value, whatever the case"),
    pytest.param("route.request.multivalueheader.X-Token", ["one", "two"], id="header: all values"),
    pytest.param("route.request.header.nothere", [], id="header: what is not there is left out"),
    pytest.param("stageVariables.tier", ["gold"], id="a stage variable"),
    pytest.param("stageVariables.nothere", [], id="a stage variable that is not set"),
    pytest.param("context.routeKey", ["$connect"], id="context"),
    pytest.param("context.identity.userAgent", ["test/1"], id="context: a member of a member"),
    pytest.param("context.messageId", [], id="context: what a handshake has not"),
    pytest.param("'it''s text'", ["it''s text"], id="a literal"),
    pytest.param("''", [""], id="an empty literal"),
]


@pytest.mark.parametrize("type", ["HTTP_PROXY", "HTTP"])
@pytest.mark.parametrize(("source", "mapped"), OF_THE_HANDSHAKE)
async def test_a_source_on_connect(gateway: TestGateway, backend: Backend, type: str, source: str, mapped: list[str]):
    received = await handshake(gateway, backend, {to("header.X-Mapped"): source}, type)
    assert values(received, "X-Mapped") == mapped


OF_A_MESSAGE = [
    pytest.param("route.request.body.text", ["hi"], id="body: a text"),
    pytest.param("route.request.body.n", ["1.5"], id="body: a number"),
    pytest.param("route.request.body.yes", ["true"], id="body: a boolean"),
    pytest.param("route.request.body.none", [], id="body: null is left out (choice)"),
    pytest.param("route.request.body.nothere", [], id="body: what is not there is left out"),
    pytest.param("route.request.body.of.k", ["v"], id="body: a member of a member"),
    pytest.param("route.request.body.list[1]", ["a"], id="body: a place in a list"),
    pytest.param("route.request.body.of", ['{"k":"v"}'], id="body: an object as JSON (choice)"),
    pytest.param("route.request.body", [MESSAGE], id="body: all of it"),
    pytest.param("stageVariables.tier", ["gold"], id="a stage variable"),
    pytest.param("context.routeKey", ["$default"], id="context"),
    pytest.param("context.eventType", ["MESSAGE"], id="context: the event type"),
    pytest.param("'text'", ["text"], id="a literal"),
]


@pytest.mark.parametrize("type", ["HTTP_PROXY", "HTTP"])
@pytest.mark.parametrize(("source", "mapped"), OF_A_MESSAGE)
async def test_a_source_on_a_message_route(
    gateway: TestGateway, backend: Backend, type: str, source: str, mapped: list[str]
):
    received = await message(gateway, backend, {to("header.X-Mapped"): source}, type)
    assert values(received, "X-Mapped") == mapped
    assert received.text == MESSAGE


async def test_a_body_source_of_a_message_that_is_no_json_is_left_out(gateway: TestGateway, backend: Backend):
    mapping = {to("header.X-Part"): "route.request.body.text", to("header.X-All"): "route.request.body"}
    received = await message(gateway, backend, mapping, text="plain")
    assert (values(received, "X-Part"), values(received, "X-All")) == ([], ["plain"])


async def test_sources_on_disconnect(gateway: TestGateway, backend: Backend):
    mapping = {
        to("header.X-Id"): "context.connectionId",
        to("header.X-Code"): "context.disconnectStatusCode",
        to("header.X-Reason"): "context.disconnectReason",
        to("header.X-Tier"): "stageVariables.tier",
        to("header.X-Literal"): "'bye'",
        to("header.X-Query"): "route.request.querystring.room",
    }
    gateway.serve(route("$disconnect", http(f"{backend.url}/d", request_parameters=mapping)), stage=STAGE)
    client = await gateway.connect(QUERY)
    id = gateway.connections[0].id
    await client.close(4001, "done")
    (received,) = await backend.wait_for("/d")
    found = [values(received, name) for name in ("X-Id", "X-Code", "X-Reason", "X-Tier", "X-Literal")]
    assert found == [[id], ["4001"], ["done"], ["gold"], ["bye"]]
    assert values(received, "X-Query") == []


NOT_ALLOWED = [
    pytest.param("x", "route.request.querystring.room", id="query on a message route"),
    pytest.param("x", "route.request.multivaluequerystring.room", id="all of a query on a message route"),
    pytest.param("x", "route.request.header.X-Token", id="header on a message route"),
    pytest.param("$default", "route.request.multivalueheader.X-Token", id="all of a header on $default"),
    pytest.param("$connect", "route.request.body.text", id="body on $connect"),
    pytest.param("$disconnect", "route.request.body.text", id="body on $disconnect"),
    pytest.param("x", "literal", id="a literal without quotes"),
    pytest.param("x", '"literal"', id="a literal in double quotes"),
    pytest.param("x", "context.nothere", id="an unknown variable of context"),
    pytest.param("x", "$context.connectionId", id="context with a dollar sign"),
    pytest.param("$connect", "route.request.header.a b", id="a name with a blank"),
    pytest.param("x", "route.request.body.[", id="a broken path"),
    pytest.param("x", "", id="nothing"),
]


@pytest.mark.parametrize(("key", "source"), NOT_ALLOWED)
async def test_a_source_that_a_route_has_not_is_found_at_deployment(gateway: TestGateway, key: str, source: str):
    gateway.serve(PING)
    with pytest.raises(DefinitionError) as found:
        gateway.serve(route(key, http("http://127.0.0.1:1/", request_parameters={to("header.X"): source})))
    assert str(found.value).startswith(f"apis.chat.routes.{key}: ")
    # What was served before still is.
    client = await gateway.connect()
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"


# ---- targets


@pytest.mark.parametrize("type", ["HTTP_PROXY", "HTTP"])
async def test_targets_are_header_query_and_path(gateway: TestGateway, backend: Backend, type: Any):
    mapping = {
        to("header.connectionId"): "context.connectionId",
        to("querystring.who"): "route.request.body.text",
        to("path.room"): "route.request.body.room",
    }
    uri = f"{backend.url}/rooms/{{room}}/x?a=1"
    gateway.serve(route("x", Integration(type=type, uri=uri, request_parameters=mapping)))
    client = await gateway.connect()
    await client.send_json({"action": "x", "text": "a&b=c d", "room": "R 1/ä?#"})
    (received,) = await backend.wait_for("/rooms/R 1/ä?#/x")
    assert parse_qsl(received.query) == [("a", "1"), ("who", "a&b=c d")]
    # The usual way to tell a backend whose message it is.
    assert values(received, "connectionId") == [gateway.connections[0].id]


async def test_on_connect_mapped_and_received_query_both_arrive(gateway: TestGateway, backend: Backend):
    received = await handshake(gateway, backend, {to("querystring.id"): "context.connectionId"})
    sent = [("room", "first"), ("room", "last one"), ("sum", "1+1"), ("empty", "")]
    assert parse_qsl(received.query, keep_blank_values=True) == [("id", gateway.connections[0].id), *sent]


async def test_on_connect_a_mapped_header_replaces_the_clients(gateway: TestGateway, backend: Backend):
    received = await handshake(gateway, backend, {to("header.x-token"): "'ours'"})
    assert values(received, "X-Token") == ["ours"]


REPLACED = ["User-Agent", "content-type", "X-Amzn-Trace-Id", "x-amzn-apigateway-api-id", "Wsgw-Route-Key"]


@pytest.mark.parametrize("name", REPLACED)
@pytest.mark.parametrize("key", ["$connect", "x", "$disconnect"])
async def test_a_mapped_header_replaces_the_gateways_own(gateway: TestGateway, backend: Backend, name: str, key: str):
    mapping = {to(f"header.{name}"): "'mine'"}
    gateway.serve(route(key, http(f"{backend.url}/x", request_parameters=mapping)))
    client = await gateway.connect()
    await client.send_json({"action": "x"})
    await client.close()
    (received,) = await backend.wait_for("/x")
    assert values(received, name) == ["mine"]


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade"])
async def test_what_frames_the_request_cannot_be_mapped(gateway: TestGateway, backend: Backend, name: str):
    received = await message(gateway, backend, {to(f"header.{name}"): "'other'"})
    assert "other" not in values(received, name)
    assert received.text == MESSAGE


HOSTILE = [
    pytest.param("header.X", "a\r\nX-Injected: 1", id="a line break in a header"),
    pytest.param("header.X", "a\x00b", id="a NUL in a header"),
    pytest.param("path.id", "..", id="the parent directory as a part of the path"),
    pytest.param("path.id", ".", id="this directory as a part of the path"),
]


@pytest.mark.parametrize(("target", "value"), HOSTILE)
async def test_a_value_that_would_change_the_requests_shape_is_refused(
    gateway: TestGateway, backend: Backend, target: str, value: str
):
    mapping = {to(target): "route.request.body.value"}
    gateway.serve(PING, route("x", http(f"{backend.url}/users/{{id}}/x", request_parameters=mapping)))
    client = await gateway.connect()
    await client.send_json({"action": "x", "value": value})
    assert (await client.receive_json())["message"] == INTERNAL
    assert backend.requests == []


HARMLESS = [
    pytest.param("header.X", "Grüße", id="letters beyond ASCII"),
    pytest.param("header.X", "\N{GRINNING FACE}", id="letters beyond Latin-1"),
    pytest.param("header.X", "a\tb", id="a tab"),
]


@pytest.mark.parametrize(("target", "value"), HARMLESS)
async def test_text_of_any_script_goes_into_a_header(gateway: TestGateway, backend: Backend, target: str, value: str):
    text = json.dumps({"action": "x", "value": value})
    received = await message(gateway, backend, {to(target): "route.request.body.value"}, text=text)
    (given,) = values(received, "X")
    assert given.encode("latin-1") in (value.encode("latin-1", "replace"), value.encode())


# ---- required parameters

REQUIRED = {
    "route.request.querystring.token": True,
    "route.request.header.X-Who": True,
    "route.request.header.Opt": False,
}
ASKED = [
    pytest.param("/prod?token=t", [("x-who", "me")], None, id="both are there"),
    pytest.param("/prod", [("X-Who", "me")], "token", id="the query parameter is missing"),
    pytest.param("/prod?token=t", [], "X-Who", id="the header is missing"),
    pytest.param("/prod?Token=t", [], "token, X-Who", id="both are missing: query names have case"),
    pytest.param("/prod?token=", [("X-Who", "")], None, id="what is empty is there (choice)"),
]


@pytest.mark.parametrize(("path", "headers", "missing"), ASKED)
async def test_a_handshake_without_a_required_parameter_is_refused(
    gateway: TestGateway, backend: Backend, path: str, headers: list[tuple[str, str]], missing: str | None
):
    gateway.serve(route("$connect", http(f"{backend.url}/c"), request_parameters=REQUIRED))
    if missing is None:
        await gateway.connect(path, headers=headers)
        assert len(backend.got("/c")) == 1
        return
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect(path, headers=headers)
    response = refused.value.response
    assert response.status == 400
    assert json.loads(response.body)["message"] == f"Missing required request parameters: [{missing}]"
    assert backend.requests == []
