"""Subprotocols: offered by the client, chosen by `$connect`, said in the 101, and never one that was not offered.

Sources: AWS WebSocket developer guide, "$connect routes that require a WebSocket subprotocol"; RFC 6455 sections 4.2.2
and 11.3.4. `subprotocols` of a stage is ours: it chooses where no integration is there to do it.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration

PING = route("ping", mock('{"pong":true}'), two_way=True)
PYTHON = route("$connect", Integration(type="PYTHON", uri="connect"))


class Chooser:
    """A Python handler that lets everybody in with `headers`, and keeps the events."""

    def __init__(self, headers: dict[str, Any], several: dict[str, list[str]] | None = None) -> None:
        self._result = {"statusCode": 200, "headers": headers, "multiValueHeaders": several or {}}
        self.events: list[dict[str, Any]] = []

    async def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        self.events.append(event)
        return self._result


def chosen(client: RawWebSocket) -> list[str]:
    """Every Sec-WebSocket-Protocol of the 101."""
    return [value for name, value in client.response.headers if name == "sec-websocket-protocol"]


async def works(client: RawWebSocket) -> bool:
    await client.send_json({"action": "ping"})
    return bool(await client.receive_json() == {"pong": True})


# ---- what `$connect` gets


async def test_the_offer_reaches_the_event_as_it_was_sent(gateway: TestGateway):
    handler = Chooser({"Sec-WebSocket-Protocol": "b"})
    gateway.serve(PYTHON, PING, handlers={"connect": handler})
    await gateway.connect(headers=[("Sec-WebSocket-Protocol", "a,b,  c")])
    (event,) = handler.events
    assert event["headers"]["Sec-WebSocket-Protocol"] == "a,b,  c"
    assert event["multiValueHeaders"]["Sec-WebSocket-Protocol"] == ["a,b,  c"]


async def test_the_offer_reaches_an_http_backend_as_it_was_sent(gateway: TestGateway, backend: Backend):
    backend.on("/connect", 200, headers={"Sec-WebSocket-Protocol": "b"})
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), PING)
    client = await gateway.connect(headers=[("sec-websocket-protocol", "a,b,  c")])
    assert ("sec-websocket-protocol", "a,b,  c") in backend.requests[0].headers
    assert chosen(client) == ["b"]


# ---- what it chooses

CHOICES = [
    pytest.param("Sec-WebSocket-Protocol", "b", ["b"], id="one-of-them"),
    pytest.param("sec-websocket-protocol", "a", ["a"], id="names-have-no-case"),
    pytest.param("SEC-WEBSOCKET-PROTOCOL", "chat.v2+json", ["chat.v2+json"], id="any-token"),
    pytest.param("X-Own", "a", [], id="none"),
    pytest.param("Sec-WebSocket-Protocol", "", [], id="empty-is-none"),
]


@pytest.mark.parametrize(("name", "value", "answer"), CHOICES)
@pytest.mark.parametrize("kind", ["function", "backend"])
async def test_what_the_integration_chooses_stands_in_the_101(
    gateway: TestGateway, backend: Backend, kind: str, name: str, value: str, answer: list[str]
):
    backend.on("/connect", 200, headers={name: value})
    connect = PYTHON if kind == "function" else route("$connect", http(f"{backend.url}/connect"))
    gateway.serve(connect, PING, handlers={"connect": Chooser({name: value})})
    client = await gateway.connect(subprotocols=["a", "b", "chat.v2+json"])
    assert chosen(client) == answer
    assert await works(client)


async def test_it_may_stand_among_headers_of_several_values(gateway: TestGateway):
    handler = Chooser({}, {"Sec-WebSocket-Protocol": ["b"], "Set-Cookie": ["a=1", "b=2"]})
    gateway.serve(PYTHON, PING, handlers={"connect": handler})
    client = await gateway.connect(subprotocols=["a", "b"])
    assert chosen(client) == ["b"]
    assert client.response.header("set-cookie") is None


async def test_an_offer_on_two_lines_is_one_offer(gateway: TestGateway):
    gateway.serve(PYTHON, PING, handlers={"connect": Chooser({"Sec-WebSocket-Protocol": "b"})})
    client = await gateway.connect(headers=[("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")])
    assert chosen(client) == ["b"]


WRONG = [
    pytest.param(["a", "b"], "c", id="another"),
    pytest.param(["a", "b"], "A", id="another-case"),
    pytest.param(["a", "b"], "a, b", id="two-of-them"),
    pytest.param(["a", "b"], "a;x", id="more-than-was-offered"),
    pytest.param([], "a", id="none-was-offered"),
]


@pytest.mark.parametrize(("offers", "choice"), WRONG)
@pytest.mark.parametrize("kind", ["function", "backend"])
async def test_one_that_was_not_offered_is_a_500_and_a_log_line(
    gateway: TestGateway,
    backend: Backend,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    offers: list[str],
    choice: str,
):
    """Choice: the client would fail such a connection with nothing said."""
    backend.on("/connect", 200, headers={"Sec-WebSocket-Protocol": choice})
    connect = PYTHON if kind == "function" else route("$connect", http(f"{backend.url}/connect"))
    disconnect = route("$disconnect", http(f"{backend.url}/disconnect"))
    gateway.serve(connect, disconnect, handlers={"connect": Chooser({"Sec-WebSocket-Protocol": choice})})
    with caplog.at_level(logging.WARNING, "wsgw.reasons"), pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect(subprotocols=offers)
    response = refusal.value.response
    assert response.status == 500
    assert b'{"message": "Internal server error", "connectionId":' in response.body
    assert response.header("sec-websocket-protocol") is None
    assert "subprotocol_not_offered" in caplog.text
    assert gateway.connections == []
    await gateway.stop()
    assert backend.got("/disconnect") == []


async def test_a_refusal_says_what_the_integration_says(gateway: TestGateway, backend: Backend):
    """Without a 101 there is nothing to choose: the header is one among others."""
    backend.on("/connect", 400, "which?", {"Sec-WebSocket-Protocol": "c"})
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    with pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect(subprotocols=["a"])
    assert (refusal.value.response.status, refusal.value.response.body) == (400, b"which?")


# ---- where nobody chooses


async def test_without_an_integration_nothing_is_chosen(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect(subprotocols=["a", "b"])
    assert chosen(client) == []
    assert await works(client)


WITHOUT = [
    pytest.param((), id="no-connect-route"),
    pytest.param((route("$connect"),), id="no-integration"),
    pytest.param(
        (route("$connect", throttle=ThrottleSettings(rate_limit=100, burst_limit=100)),), id="only-a-throttle"
    ),
    pytest.param(
        (route("$connect", request_parameters={"route.request.querystring.token": True}),), id="only-a-parameter"
    ),
]
OFFERS = [
    pytest.param(["a", "b"], ["b"], id="the-one-that-both-have"),
    pytest.param(["a", "v2", "b"], ["v2"], id="the-clients-first-that-the-stage-has"),
    pytest.param(["b", "v2"], ["b"], id="the-clients-order-counts"),
    pytest.param(["a", "B"], [], id="none-in-common"),
    pytest.param([], [], id="none-offered"),
]


@pytest.mark.parametrize(("offers", "answer"), OFFERS)
@pytest.mark.parametrize("connect", WITHOUT)
async def test_a_stages_own_subprotocols_are_chosen_from(
    gateway: TestGateway, connect: tuple[Any, ...], offers: list[str], answer: list[str]
):
    gateway.serve(*connect, PING, stage=Stage(name="prod", subprotocols=("v2", "b")))
    client = await gateway.connect("/prod?token=1", subprotocols=offers)
    assert chosen(client) == answer
    assert await works(client)


@pytest.mark.parametrize("choice", ["a", ""], ids=["it-chooses", "it-chooses-none"])
async def test_an_integration_chooses_whatever_the_stage_has(gateway: TestGateway, backend: Backend, choice: str):
    backend.on("/connect", 200, headers={"Sec-WebSocket-Protocol": choice} if choice else None)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), stage=Stage(name="prod", subprotocols=("v2", "b")))
    client = await gateway.connect(subprotocols=["a", "b"])
    assert chosen(client) == ([choice] if choice else [])
