"""Where a page comes from: everywhere, unless a stage names its origins; then to the letter (check S-10).

A browser says in `Origin` which page opens a WebSocket, and sends that site's cookies with it whoever's page it is. AWS
never looks at it; `allowedOrigins` of a stage is ours. Sources: RFC 6454 sections 4 and 7, RFC 6455 section 10.2.
"""

from __future__ import annotations

import logging

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.raw_http import request
from tests.harness.raw_websocket import HandshakeRefused, exchange
from wsgw.definitions.api import Stage, StageLimits

ALLOWED = ("https://app.example", "http://localhost:3000")
PING = route("ping", mock('{"pong":true}'), two_way=True)
COOKIE = ("Cookie", "session=secret")


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", ""])
async def test_without_a_list_every_origin_is_let_in_and_told_to_connect(
    gateway: TestGateway, backend: Backend, origin: str | None
):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    await gateway.connect(headers=[] if origin is None else [("Origin", origin)])
    assert backend.requests[0].header("Origin") == origin


@pytest.mark.parametrize("origin", ALLOWED)
async def test_an_origin_on_the_list_is_let_in_and_told_to_connect(gateway: TestGateway, backend: Backend, origin: str):
    stage = Stage(name="prod", allowed_origins=ALLOWED)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), PING, stage=stage)
    client = await gateway.connect(headers=[("Origin", origin), COOKIE])
    assert backend.requests[0].header("Origin") == origin
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True}


OTHERS = [
    pytest.param([], id="absent"),
    pytest.param([""], id="empty"),
    pytest.param(["null"], id="null"),
    pytest.param(["NULL"], id="null-in-capitals"),
    pytest.param(["*"], id="asterisk"),
    pytest.param(["https://evil.example"], id="foreign"),
    pytest.param(["http://app.example"], id="another-scheme"),
    pytest.param(["wss://app.example"], id="scheme-of-the-socket"),
    pytest.param(["app.example"], id="no-scheme"),
    pytest.param(["//app.example"], id="scheme-left-out"),
    pytest.param(["https://App.Example"], id="host-in-another-case"),
    pytest.param(["HTTPS://app.example"], id="scheme-in-another-case"),
    pytest.param(["https://app.example:443"], id="port-that-is-the-default"),
    pytest.param(["https://app.example:8443"], id="another-port"),
    pytest.param(["http://localhost"], id="port-left-out"),
    pytest.param(["http://localhost:30000"], id="port-that-begins-alike"),
    pytest.param(["https://app.example."], id="dot-behind"),
    pytest.param(["https://app.example/"], id="slash-behind"),
    pytest.param(["https://app.example/path"], id="path"),
    pytest.param(["https://sub.app.example"], id="subdomain"),
    pytest.param(["https://example"], id="parent-domain"),
    pytest.param(["https://app.example.evil.example"], id="allowed-one-as-a-subdomain"),
    pytest.param(["https://evilapp.example"], id="allowed-one-at-the-end"),
    pytest.param(["https://app-example"], id="dot-that-is-none"),
    pytest.param(["https://app.example@evil.example"], id="allowed-one-as-user-information"),
    pytest.param(["https://user@app.example"], id="user-information"),
    pytest.param(["https://evil.example?https://app.example"], id="allowed-one-in-a-query"),
    pytest.param(["https://evil.example#https://app.example"], id="allowed-one-in-a-fragment"),
    pytest.param(["https://app.example https://evil.example"], id="list-with-blanks"),
    pytest.param(["https://app.example, https://evil.example"], id="list-with-commas"),
    pytest.param(["https://app.example", "https://evil.example"], id="two-origins"),
    pytest.param(["https://evil.example", "https://app.example"], id="two-origins-the-other-first"),
    pytest.param(["https://app.example", "https://app.example"], id="the-same-twice"),
    pytest.param(["https://\N{LATIN SMALL LETTER A WITH DIAERESIS}pp.example"], id="look-alike"),
    pytest.param(["https://127.0.0.1"], id="address"),
]


@pytest.mark.parametrize("origins", OTHERS)
async def test_any_other_origin_is_a_403_whatever_its_cookies(
    gateway: TestGateway, backend: Backend, caplog: pytest.LogCaptureFixture, origins: list[str]
):
    stage = Stage(name="prod", allowed_origins=ALLOWED)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), stage=stage)
    headers = [("Origin", origin) for origin in origins] + [COOKIE]
    with caplog.at_level(logging.WARNING, "wsgw.reasons"), pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect(headers=headers)
    response = refusal.value.response
    assert response.status == 403
    assert response.body.startswith(b'{"message": "Forbidden", "connectionId":"')
    assert (gateway.connections, backend.requests) == ([], [])
    # The operator learns why; the line quotes nothing that was sent.
    assert "origin_not_allowed" in caplog.text
    assert "evil" not in caplog.text
    assert "secret" not in caplog.text


async def test_an_empty_list_lets_nobody_in(gateway: TestGateway):
    gateway.serve(stage=Stage(name="prod", allowed_origins=()))
    for headers in ([], [("Origin", "https://app.example")]):
        with pytest.raises(HandshakeRefused) as refusal:
            await gateway.connect(headers=headers)
        assert refusal.value.response.status == 403


async def test_an_origin_that_is_named_null_is_let_in(gateway: TestGateway):
    """Sandboxed pages and files say so: an operator may want them."""
    gateway.serve(stage=Stage(name="prod", allowed_origins=("null",)))
    await gateway.connect(headers=[("Origin", "null")])


async def test_every_stage_has_its_own_list(gateway: TestGateway):
    stages = {"open": Stage(name="open"), "closed": Stage(name="closed", allowed_origins=ALLOWED)}
    gateway.serve(stages=stages)
    foreign = [("Origin", "https://evil.example")]
    await gateway.connect("/open", headers=foreign)
    with pytest.raises(HandshakeRefused):
        await gateway.connect("/closed", headers=foreign)


async def test_a_refused_origin_costs_no_throttle_token(gateway: TestGateway):
    """A foreign page must not keep others out."""
    limits = StageLimits(new_connections_per_second=0.01, new_connections_burst=1)
    gateway.serve(stage=Stage(name="prod", allowed_origins=ALLOWED, limits=limits))
    for _ in range(3):
        with pytest.raises(HandshakeRefused) as refusal:
            await gateway.connect(headers=[("Origin", "https://evil.example")])
        assert refusal.value.response.status == 403
    await gateway.connect(headers=[("Origin", ALLOWED[0])])


async def test_the_list_is_for_handshakes_and_not_for_pushes(make_gateway: MakeGateway):
    """A backend has no origin."""
    gateway = await make_gateway(tokens=("a-token",))
    gateway.serve(stage=Stage(name="prod", allowed_origins=ALLOWED))
    client = await gateway.connect(headers=[("Origin", ALLOWED[0])])
    target = f"/prod/@connections/{gateway.connections[0].id.replace('=', '%3D')}"
    bearer = [("Authorization", "Bearer a-token")]
    host = gateway.url.removeprefix("http://")
    response = await exchange(gateway.url, request(target, host, bearer, b"hello", method="POST"))
    assert response.status == 200
    assert await client.receive() == b"hello"
