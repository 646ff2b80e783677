r"""Which route a message takes, over a socket (T-06).

Source: AWS WebSocket developer guide, "Working with routes" and "Selection expressions"; rows that it leaves open are
named as choices.
"""

from __future__ import annotations

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from wsgw.definitions.route import Route

JOIN = '{"service":"chat","action":"join","data":{"room":"r1"}}'


def telling(*keys: str) -> list[Route]:
    """A two-way route per key; each answers with its own key."""
    return [route(key, mock("$context.routeKey"), two_way=True) for key in keys]


async def taken(gateway: TestGateway, message: str) -> str:
    client = await gateway.connect()
    await client.send_text(message)
    return await client.receive_text()


# ---- the expression

EXPRESSIONS = [
    pytest.param("$request.body.action", "join", id="a variable"),
    pytest.param("${request.body.action}", "join", id="a variable in braces"),
    pytest.param("${request.body.service}/${request.body.action}", "chat/join", id="two variables and a literal"),
    pytest.param("${request.body.action}-${request.body.nothere}", "join-", id="a path that leads nowhere is empty"),
    pytest.param("join", "join", id="a literal alone"),
    pytest.param(r"\$default", "$default", id="an escaped dollar sign"),
    pytest.param("$default", "$default", id="$default without its backslash"),
    pytest.param("$request.body.data.room", "r1", id="a member of a member"),
    pytest.param("$request.body.data", "{room=r1}", id="an object (choice: as Java prints a map)"),
    pytest.param("$request.body.Action", "$default", id="names have case"),
    pytest.param("prefix-$request.body.action", "prefix-join", id="a literal before a variable"),
    pytest.param("${request.body.action}s", "joins", id="braces end a variable before a letter"),
    pytest.param("$request.body.data['room']", "r1", id="a member in brackets"),
]


@pytest.mark.parametrize(("expression", "key"), EXPRESSIONS)
async def test_the_route_selection_expression_picks_the_route(gateway: TestGateway, expression: str, key: str):
    keys = dict.fromkeys(("join", "chat/join", "join-", "r1", "{room=r1}", "prefix-join", "joins", "other", "$default"))
    gateway.serve(*telling(*keys), route_selection_expression=expression)
    assert await taken(gateway, JOIN) == key


async def test_what_an_expression_gives_is_not_evaluated_again(gateway: TestGateway):
    gateway.serve(*telling("$default", "join", "${request.body.other}"))
    assert await taken(gateway, '{"action":"${request.body.other}","other":"join"}') == "${request.body.other}"


VALUES = [
    pytest.param("1", "1", id="a number"),
    pytest.param("-7", "-7", id="a negative number"),
    pytest.param("true", "true", id="true"),
    pytest.param("false", "false", id="false"),
    pytest.param('["a","b"]', "[a, b]", id="an array: comma and space, no quotes"),
    pytest.param("[]", "[]", id="an empty array"),
    pytest.param('{"k":"v"}', "{k=v}", id="an object (choice)"),
    pytest.param("null", "$default", id="null (choice: as if it were not there)"),
    pytest.param('""', "$default", id="an empty string"),
    pytest.param('" join"', "$default", id="a blank more"),
    pytest.param('"JOIN"', "$default", id="another case"),
    pytest.param('"\\u006aoin"', "join", id="an escaped letter is that letter"),
    pytest.param('"größe"', "größe", id="letters of any script"),
]


@pytest.mark.parametrize(("value", "key"), VALUES)
async def test_a_value_is_compared_as_a_string(gateway: TestGateway, value: str, key: str):
    keys = ("join", "1", "-7", "true", "false", "[a, b]", "[]", "{k=v}", "null", "größe", "$default")
    gateway.serve(*telling(*keys))
    assert await taken(gateway, f'{{"action":{value}}}') == key


# ---- the message

MESSAGES = [
    pytest.param('{"action":"join"}', "join", id="the result equals a key"),
    pytest.param(' {"action" : "join" }\n', "join", id="white space around"),
    pytest.param('{"action":"leave"}', "$default", id="the result equals no key"),
    pytest.param('{"text":"hello"}', "$default", id="the member is missing"),
    pytest.param("plain text", "$default", id="no JSON"),
    pytest.param('{"action":"join"', "$default", id="broken JSON"),
    pytest.param('{"action":"join"} {}', "$default", id="two documents"),
    pytest.param("", "$default", id="an empty message"),
    pytest.param('"join"', "$default", id="a string at top level"),
    pytest.param("7", "$default", id="a number at top level"),
    pytest.param("null", "$default", id="null at top level"),
    pytest.param('["join"]', "$default", id="an array at top level"),
    pytest.param('[{"action":"join"}]', "$default", id="an array of objects"),
    pytest.param('{"action":"$connect"}', "$default", id="$connect by name (choice)"),
    pytest.param('{"action":"$disconnect"}', "$default", id="$disconnect by name (choice)"),
    pytest.param('{"action":"$default"}', "$default", id="$default by name"),
]


@pytest.mark.parametrize(("message", "key"), MESSAGES)
async def test_a_message_takes_the_route_it_names_or_else_the_default(
    gateway: TestGateway, backend: Backend, message: str, key: str
):
    connect = route("$connect", http(f"{backend.url}/connect"), two_way=True)
    disconnect = route("$disconnect", http(f"{backend.url}/disconnect"))
    gateway.serve(connect, disconnect, *telling("join", "$default"))
    assert await taken(gateway, message) == key
    # The handshake came to its route, and no message to one of the lifecycle.
    assert [received.path for received in backend.requests] == ["/connect"]


NO_ROUTE = [
    pytest.param('{"action":"leave"}', id="no key is equal"),
    pytest.param('{"text":"hello"}', id="the member is missing"),
    pytest.param("plain text", id="no JSON"),
    pytest.param("", id="an empty message"),
    pytest.param('{"action":"$connect"}', id="$connect by name"),
    pytest.param('{"action":"$disconnect"}', id="$disconnect by name"),
    pytest.param('{"action":"$default"}', id="$default by name"),
]


@pytest.mark.parametrize("message", NO_ROUTE)
async def test_without_a_default_the_client_is_told_forbidden_and_nothing_is_called(
    gateway: TestGateway, backend: Backend, message: str
):
    lifecycle = [route(key, http(backend.url + path)) for key, path in [("$connect", "/c"), ("$disconnect", "/d")]]
    gateway.serve(*lifecycle, *telling("join"))
    client = await gateway.connect()
    await client.send_text(message)
    text = await client.receive_text()
    id = gateway.connections[0].id
    # Byte for byte: a space after the first colon and after each comma, and nowhere else.
    assert text.startswith(f'{{"message": "Forbidden", "connectionId":"{id}", "requestId":"')
    assert text.endswith('="}')
    await client.send_json({"action": "join"})
    assert await client.receive_text() == "join"
    assert [received.path for received in backend.requests] == ["/c"]


async def test_a_message_without_a_route_is_a_client_error_of_the_stage(gateway: TestGateway):
    gateway.serve(*telling("join"))
    await taken(gateway, "nothing")
    exposition = gateway.app.metrics.exposition().decode()
    assert 'wsgw_client_error_total{api_id="chat",route="",stage="prod"} 1.0' in exposition


# ---- deployments


async def test_an_open_connection_takes_the_routes_of_a_new_deployment(gateway: TestGateway):
    gateway.serve(*telling("join", "$default"))
    client = await gateway.connect()
    await client.send_json({"action": "join"})
    assert await client.receive_text() == "join"
    gateway.serve(*telling("enter", "$default"))
    for action, key in (("join", "$default"), ("enter", "enter")):
        await client.send_json({"action": action})
        assert await client.receive_text() == key


async def test_a_new_expression_is_used_by_open_connections(gateway: TestGateway):
    gateway.serve(*telling("join", "r1", "$default"))
    client = await gateway.connect()
    gateway.serve(*telling("join", "r1", "$default"), route_selection_expression="$request.body.data.room")
    await client.send_text(JOIN)
    assert await client.receive_text() == "r1"
