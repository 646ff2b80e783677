"""Attacks on access control through other doors: upgrades, plain requests, management paths, pages, proxies, hosts."""

from __future__ import annotations

import json

import pytest

from tests.conftest import MakeGateway
from tests.harness.attacks import BOTH, Asked, proxied, raw
from tests.harness.authorizers import policy
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.management import call as management_call
from tests.harness.raw_websocket import exchange, handshake
from tests.harness.signed_requests import KEY
from tests.harness.staying import serve, who
from wsgw.definitions.api import Protocol

# ---- other doors


@BOTH
async def test_an_upgrade_to_a_guarded_route_is_a_request_like_others(
    gateway: TestGateway, backend: Backend, protocol: Protocol
):
    asked = Asked(lambda event: policy("Allow" if "good" in json.dumps(event["headers"]) else "Deny"))
    gateway.deploy(proxied(protocol, backend, "GET /a"), handlers={"authorize": asked})
    for headers, status in (([], 401), ([("X-Token", "bad")], 403), ([("X-Token", "good")], 200)):
        assert (await exchange(gateway.url, handshake("/pets/dev/a", "gateway.example", headers))).status == status
    (sent,) = backend.requests
    assert sent.header("upgrade") is None


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Upgrade: websocket",),
        ("Connection: Upgrade",),
        ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AA"),
    ],
)
async def test_a_plain_request_to_a_websocket_stage_asks_no_authorizer(gateway: TestGateway, lines: tuple[str, ...]):
    authority_ = serve(gateway)
    for verb in ("GET", "POST", "HEAD"):
        assert (await raw(gateway, "/chat/prod", "Authorization: Bearer good", *lines, verb=verb)).status == 403
    assert (authority_.asked, authority_.events) == ([], [])


TRICKS = [
    "/prod/@tickets",
    "/prod/%40tickets",
    "/prod/@tickets/",
    "/prod/@Tickets",
    "/prod//@tickets",
    "/prod/@tickets%2F",
    "/prod/./@tickets",
    "/prod/x/../@tickets",
    "/prod/@connections/..%2F@tickets",
    "/chat/prod/@tickets",
    "/prod/@tickets?x=1",
    "/prod/@principals/ada",
    "/prod/@principals/%2e%2e%2f@tickets",
    "/prod/@principals/",
    "/prod/@connections/{id}",
    "/prod/@connections/{id}/",
    "/prod/@connections/{id}%00",
    "/prod/@connections/x%2F{id}",
    "/prod/%40connections/{id}",
    "//prod/@connections/{id}",
]


@pytest.mark.parametrize("target", TRICKS)
@pytest.mark.parametrize("verb", ["POST", "GET", "DELETE", "PUT"])
async def test_no_spelling_of_a_management_path_is_taken_unsigned(make_gateway: MakeGateway, target: str, verb: str):
    gateway = await make_gateway(access_keys=(KEY,))
    serve(gateway)
    client = await gateway.connect("/prod?token=good")
    id = gateway.connections[0].id.replace("=", "%3D")
    body = b'{"principalId":"admin"}' if verb in ("POST", "PUT") else None
    override = [("X-HTTP-Method-Override", "POST"), ("X-Forwarded-For", "127.0.0.1"), ("X-Original-URL", "/")]
    response = await exchange(gateway.url, management_call(gateway, verb, target.format(id=id), body, override))
    assert response.status in (400, 403, 404), response
    assert await who(client) == "ada"


PAGE = [
    [("Origin", "https://evil.example")],
    [("Origin", "null")],
    [("Origin", "http://127.0.0.1:8080")],
    [("Sec-Fetch-Site", "same-origin")],
    [("sec-fetch-site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")],
]


@pytest.mark.parametrize("page", PAGE, ids=[one[0][1] for one in PAGE])
async def test_a_page_in_a_browser_on_this_machine_is_no_caller_on_loopback(
    gateway: TestGateway, page: list[tuple[str, str]]
):
    """As long as there are no keys: any page may post to 127.0.0.1, and one whose name leads there may read, too."""
    serve(gateway)
    client = await gateway.connect("/prod?token=good")
    id = gateway.connections[0].id.replace("=", "%3D")
    for verb, target in (
        ("POST", "/prod/@tickets"),
        ("DELETE", "/prod/@principals/ada"),
        ("POST", f"/prod/@connections/{id}"),
        ("GET", f"/prod/@connections/{id}"),
        ("DELETE", f"/prod/@connections/{id}"),
    ):
        body = b'{"principalId":"admin"}' if verb == "POST" else None
        assert (await exchange(gateway.url, management_call(gateway, verb, target, body, page))).status == 403
        assert (await exchange(gateway.url, management_call(gateway, verb, f"/chat{target}", body, page))).status == 403
    assert await who(client) == "ada"


async def test_with_keys_a_page_may_call_what_it_can_sign(make_gateway: MakeGateway):
    """So that the test above fails for what it says: a token is what lets it in, wherever it comes from."""
    gateway = await make_gateway(tokens=("secret",))
    serve(gateway)
    lines = [("Authorization", "Bearer secret"), ("Origin", "https://admin.example")]
    call_ = management_call(gateway, "POST", "/prod/@tickets", b'{"principalId":"a"}', lines)
    assert (await exchange(gateway.url, call_)).status == 200


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host", "X-Client-IP", "CF-Connecting-IP"]
)
async def test_a_caller_behind_a_proxy_on_this_machine_is_no_caller_on_loopback(gateway: TestGateway, name: str):
    serve(gateway)
    call_ = management_call(gateway, "POST", "/prod/@tickets", b'{"principalId":"a"}', [(name, "203.0.113.9")])
    assert (await exchange(gateway.url, call_)).status == 403
