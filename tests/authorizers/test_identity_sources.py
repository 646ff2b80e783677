"""Identity sources, as each kind of API writes them, read over real requests and handshakes.

Source: developer guide, "Create an API Gateway Lambda REQUEST authorizer", "… for HTTP APIs", "… for WebSocket APIs".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.harness.authorizers import authorizer, call, guarded, hello, policy
from tests.harness.gateway import TestGateway
from wsgw.authorizers.identity_sources import compile_identity_source
from wsgw.definitions.api import Protocol, Stage
from wsgw.errors import DefinitionError


@pytest.fixture
def lanes() -> bool:
    return True


class Asked:
    """A Python authorizer that keeps what it was told; `at` deploys it with these identity sources."""

    def __init__(self, gateway: TestGateway) -> None:
        self.gateway = gateway
        self.events: list[dict[str, Any]] = []

    async def __call__(self, event: dict[str, Any], context: Any) -> Any:
        self.events.append(event)
        return policy()

    def at(self, protocol: Protocol, *sources: str) -> None:
        one = authorizer(protocol, "authorize", called="PYTHON", identity_sources=sources, payload_format_version="2.0")
        stage = Stage(name="dev", variables={"tier": "gold", "empty": ""})
        api = guarded(one, protocol, stage=stage)
        self.gateway.deploy(api, handlers={"hello": hello, "authorize": self})


@pytest.fixture
def asked(gateway: TestGateway) -> Asked:
    return Asked(gateway)


PRESENT = [
    pytest.param("REST", "method.request.header.X-Own", id="REST: header"),
    pytest.param("REST", "method.request.header.x-own", id="REST: header, whatever its case"),
    pytest.param("REST", "method.request.querystring.q", id="REST: querystring"),
    pytest.param("REST", "stageVariables.tier", id="REST: stageVariables"),
    pytest.param("REST", "context.httpMethod", id="REST: context"),
    pytest.param("REST", "context.identity.sourceIp", id="REST: context.identity"),
    pytest.param("HTTP", "$request.header.X-Own", id="HTTP: header"),
    pytest.param("HTTP", "$request.querystring.q", id="HTTP: querystring"),
    pytest.param("HTTP", "$stageVariables.tier", id="HTTP: stageVariables"),
    pytest.param("HTTP", "$context.routeKey", id="HTTP: context"),
    pytest.param("WEBSOCKET", "route.request.header.X-Own", id="WebSocket: header"),
    pytest.param("WEBSOCKET", "route.request.querystring.q", id="WebSocket: querystring"),
    pytest.param("WEBSOCKET", "stageVariables.tier", id="WebSocket: stageVariables"),
    pytest.param("WEBSOCKET", "context.connectionId", id="WebSocket: context.connectionId"),
    pytest.param("WEBSOCKET", "context.connectedAt", id="WebSocket: context.connectedAt"),
    pytest.param("WEBSOCKET", "context.requestTimeEpoch", id="WebSocket: context.requestTimeEpoch"),
]
MISSING = [
    pytest.param("REST", "method.request.header.X-Other", id="REST: header"),
    pytest.param("REST", "method.request.querystring.Q", id="REST: querystring, in another case"),
    pytest.param("REST", "method.request.querystring.empty", id="REST: querystring, empty"),
    pytest.param("REST", "stageVariables.other", id="REST: stageVariables"),
    pytest.param("REST", "stageVariables.empty", id="REST: stageVariables, empty"),
    pytest.param("REST", "context.authorizer.principalId", id="REST: context, not known yet"),
    pytest.param("HTTP", "$request.header.X-Other", id="HTTP: header"),
    pytest.param("HTTP", "$request.querystring.empty", id="HTTP: querystring, empty"),
    pytest.param("HTTP", "$stageVariables.other", id="HTTP: stageVariables"),
    pytest.param("WEBSOCKET", "route.request.header.X-Other", id="WebSocket: header"),
    pytest.param("WEBSOCKET", "route.request.querystring.empty", id="WebSocket: querystring, empty"),
    pytest.param("WEBSOCKET", "stageVariables.other", id="WebSocket: stageVariables"),
    pytest.param("WEBSOCKET", "context.eventType", id="WebSocket: context.eventType counts as missing"),
    pytest.param("WEBSOCKET", "context.messageDirection", id="WebSocket: context.messageDirection counts as missing"),
]


@pytest.mark.parametrize(("protocol", "source"), PRESENT)
async def test_a_source_with_a_value(asked: Asked, protocol: Protocol, source: str):
    asked.at(protocol, source)
    answer = await call(asked.gateway, protocol, "X-Own: 1", query="?q=1&empty=")
    assert answer.status in (200, 101)
    assert len(asked.events) == 1


@pytest.mark.parametrize(("protocol", "source"), MISSING)
async def test_a_source_without_a_value_is_unauthorized_whatever_the_others_have(
    asked: Asked, protocol: Protocol, source: str
):
    """Rows: all must be present and non-empty; eventType, messageDirection count as missing."""
    fine = {"REST": "stageVariables.tier", "HTTP": "$stageVariables.tier", "WEBSOCKET": "stageVariables.tier"}
    asked.at(protocol, fine[protocol], source)
    answer = await call(asked.gateway, protocol, "X-Own: 1", query="?q=1&empty=")
    assert answer.status == 401
    assert asked.events == []


@pytest.mark.parametrize(
    ("lines", "query", "values"),
    [
        pytest.param(("X-Own: 1", "X-Own: 2"), "?q=3", ["1,2", "3"], id="a repeated header"),
        pytest.param(("X-Own: 1",), "?q=3&q=4", ["1", "3,4"], id="a repeated parameter"),
        pytest.param(("X-Own: 1",), "?q=%20a%2C", ["1", " a,"], id="a parameter is decoded"),
    ],
)
async def test_values_are_in_the_order_of_the_definition(
    asked: Asked, lines: tuple[str, ...], query: str, values: Sequence[str]
):
    asked.at("HTTP", "$request.header.X-Own", "$request.querystring.q")
    await call(asked.gateway, "HTTP", *lines, query=query)
    assert asked.events[0]["identitySource"] == values


WRONG = [
    ("REST", "$request.header.a"),
    ("REST", "route.request.header.a"),
    ("REST", "method.request.path.a"),
    ("REST", "method.request.body"),
    ("REST", "method.request.header."),
    ("REST", "$context.routeKey"),
    ("REST", "context.nothing"),
    ("HTTP", "method.request.header.a"),
    ("HTTP", "$request.path.a"),
    ("HTTP", "context.routeKey"),
    ("HTTP", "stageVariables.a"),
    ("WEBSOCKET", "$request.header.a"),
    ("WEBSOCKET", "route.request.body.a"),
    ("WEBSOCKET", "Authorization"),
    ("WEBSOCKET", ""),
]


@pytest.mark.parametrize(("protocol", "source"), WRONG)
def test_what_is_no_source_of_this_kind_of_api_is_named(protocol: Protocol, source: str):
    with pytest.raises(ValueError, match="identitySource") as raised:
        compile_identity_source(source, protocol)
    assert repr(source) in str(raised.value)


async def test_an_api_whose_authorizer_has_a_wrong_source_is_not_deployed(asked: Asked):
    with pytest.raises(DefinitionError, match=r"write method\.request\.header\.NAME"):
        asked.at("REST", "Authorization")
