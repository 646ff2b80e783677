"""Attacks on access control by what is shown and kept: credentials that are none, results and names of others. S-52."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.attacks import BOTH, EACH, Asked, proxied, raw
from tests.harness.authorizers import authorizer, call, guarded, hello, policy
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, mock, route
from tests.harness.raw_websocket import exchange, handshake
from tests.harness.staying import bearer, refused, serve, who
from tests.harness.staying import guarded as chat
from wsgw.definitions.api import Protocol, Stage

# ---- where credentials stand


@EACH
@pytest.mark.parametrize(
    "line",
    [
        "X_Token: good",
        "X-Token : good",
        "XToken: good",
        " X-Token: good",
        "X-Other: a\r\n X-Token: good",
        "x.token: good",
    ],
)
async def test_another_header_is_not_the_identity_source(gateway: TestGateway, protocol: Protocol, line: str):
    asked = Asked()
    one = authorizer(protocol, "authorize", called="PYTHON", payload_format_version="1.0")
    gateway.deploy(guarded(one, protocol), handlers={"authorize": asked, "hello": hello})
    if protocol == "WEBSOCKET":
        request = handshake("/pets/dev", "gateway.example").replace(b"\r\nHost", f"\r\n{line}\r\nHost".encode(), 1)
    else:
        request = f"GET /pets/dev/a HTTP/1.1\r\n{line}\r\nHost: gateway.example\r\n\r\n".encode()
    assert (await exchange(gateway.url, request)).status in (400, 401)
    assert asked.events == []


@EACH
async def test_two_authorization_headers_are_refused_before_anybody_is_asked(gateway: TestGateway, protocol: Protocol):
    asked = Asked()
    one = authorizer(protocol, "authorize", called="PYTHON", payload_format_version="1.0")
    gateway.deploy(guarded(one, protocol), handlers={"authorize": asked, "hello": hello})
    lines = ("X-Token: t", "Authorization: Bearer a", "authorization: Bearer b")
    assert (await call(gateway, protocol, *lines)).status == 400
    assert asked.events == []


@EACH
@pytest.mark.parametrize("token", [b"\xff\xfe", b"\xc3\xa9", b"\xed\xa0\x80", b"a\tb", b"\x80" * 1_000, b'"}{"x":"'])
async def test_bytes_that_are_no_text_are_refused_and_break_nothing(
    gateway: TestGateway, protocol: Protocol, token: bytes
):
    asked = Asked(lambda event: policy("Deny"))
    members: dict[str, Any] = (
        {"type": "TOKEN", "identity_validation_expression": "[a-z]+"} if protocol == "REST" else {}
    )
    one = authorizer(protocol, "authorize", called="PYTHON", payload_format_version="1.0", **members)
    gateway.deploy(guarded(one, protocol), handlers={"authorize": asked, "hello": hello})
    line = b"\r\nX-Token: " + token + b"\r\nHost"
    if protocol == "WEBSOCKET":
        request = handshake("/pets/dev", "gateway.example").replace(b"\r\nHost", line, 1)
    else:
        request = b"GET /pets/dev/a HTTP/1.1\r\nX-Token: " + token + b"\r\nHost: gateway.example\r\n\r\n"
    assert (await exchange(gateway.url, request)).status in (400, 401, 403)


@EACH
@pytest.mark.parametrize("value", ["%ff%fe", "%00", "%0d%0aX-Admin:1", "%ed%a0%80", "a&token=b", "%C3%A9"])
async def test_a_query_that_is_no_text_is_refused_and_breaks_nothing(
    gateway: TestGateway, protocol: Protocol, value: str
):
    asked = Asked(lambda event: policy("Deny"))
    source = {
        "REST": "method.request.querystring.token",
        "HTTP": "$request.querystring.token",
        "WEBSOCKET": "route.request.querystring.token",
    }[protocol]
    one = authorizer(
        protocol, "authorize", called="PYTHON", payload_format_version="1.0", identity_sources=(source,), result_ttl=300
    )
    gateway.deploy(guarded(one, protocol), handlers={"authorize": asked, "hello": hello})
    assert (await call(gateway, protocol, query=f"?token={value}")).status in (400, 401, 403)


# ---- results that are kept for somebody else


@BOTH
async def test_what_one_api_or_stage_keeps_is_not_found_by_another(
    gateway: TestGateway, backend: Backend, protocol: Protocol
):
    """S-52: the same authorizer, by its id, its function and the token, of two stages and two APIs."""
    asked = Asked(lambda event: policy("Allow" if "pets/dev" in event["methodArn"] else "Deny"))
    stages = {name: Stage(name=name) for name in ("dev", "prod")}
    pets = proxied(protocol, backend, "GET /a", who={"result_ttl": 300}, stages=stages)
    cats = msgspec.structs.replace(pets, id="cats", name="cats")
    gateway.deploy(pets, cats, handlers={"authorize": asked})
    for _ in range(2):
        assert (await raw(gateway, "/pets/dev/a", "X-Token: t")).status == 200
        for other in ("/pets/prod/a", "/cats/dev/a", "/cats/prod/a"):
            assert (await raw(gateway, other, "X-Token: t")).status == 403
    assert len(asked.events) == 4


@BOTH
async def test_the_host_and_not_the_path_says_whose_authorizer_is_asked(
    gateway: TestGateway, backend: Backend, protocol: Protocol
):
    """S-53: an open API's address does not lead to a guarded one's routes."""
    asked = Asked(Exception("Unauthorized"))
    guarded_ = proxied(protocol, backend, "ANY /{proxy+}")
    open_ = msgspec.structs.replace(proxied(protocol, backend, "ANY /{proxy+}!"), id="open", name="open")
    gateway.deploy(guarded_, open_, handlers={"authorize": asked})
    for host, target in [
        ("pets.execute-api.localhost", "/dev/open/dev/a"),
        ("PETS.execute-api.localhost", "/dev/a"),
        ("pets.execute-api.localhost:8080", "/dev/a"),
        ("anything.example", "/pets/dev/a"),
        ("anything.example", "/pets/dev/open/dev/a"),
    ]:
        assert (await raw(gateway, target, "X-Token: t", host=host)).status == 401, (host, target)
    assert backend.requests == []
    assert (await raw(gateway, "/dev/pets/dev/a", host="open.execute-api.localhost")).status == 200
    assert [one.target for one in backend.requests] == ["/pets/dev/a"]


@BOTH
@pytest.mark.parametrize(
    ("verb", "path", "then"),
    [
        pytest.param("GET", "/users/*", "/users/42/secret", id="path"),
        pytest.param("GET", "/*", "/users/42/secret", id="all"),
        pytest.param("GET", "/users/42/*?x", "/users/42/secret", id="end"),
        pytest.param("GET", "/users/${*}", "/users/*", id="variable"),
        pytest.param("*", "/users/42", "/users/42", id="method"),
    ],
)
async def test_a_wildcard_that_a_client_has_written_is_none_in_the_policy_that_names_its_request(
    gateway: TestGateway, backend: Backend, protocol: Protocol, verb: str, path: str, then: str
):
    """S-52: an authorizer that allows just what it was asked about, `methodArn`, and whose result is kept."""
    asked = Asked(lambda event: policy(resource=event["methodArn"]))
    gateway.deploy(proxied(protocol, backend, "ANY /{proxy+}", who={"result_ttl": 300}), handlers={"authorize": asked})
    first = await raw(gateway, f"/pets/dev{path}", "X-Token: t", verb=verb)
    second = await raw(gateway, f"/pets/dev{then}", "X-Token: t")
    if first.status == 200:
        assert (second.status, len(asked.events), len(backend.requests)) == (403, 1, 1)
        # Who asks for the same gets the same.
        assert (await raw(gateway, f"/pets/dev{path}", "X-Token: t", verb=verb)).status == 200
    else:
        # There is no such request, or what its policy names is nothing.
        assert first.status in (400, 403)
        assert backend.requests == [] or (path, verb) == (then, "*")


# ---- what others are told of a principal


SHADOWS = {
    "principalId": "admin",
    "integrationLatency": "0",
    "__proto__": "x",
    "__class__": "x",
    "constructor": "x",
    "toString": "x",
    "": "x",
    "a.b": "x",
    "$context": "x",
}


@EACH
async def test_nothing_in_a_context_shadows_who_it_is(gateway: TestGateway, protocol: Protocol):
    asked = Asked(policy(context=SHADOWS))
    one = authorizer(protocol, "authorize", called="PYTHON", payload_format_version="1.0")
    gateway.deploy(guarded(one, protocol), handlers={"authorize": asked, "hello": hello})
    if protocol == "WEBSOCKET":
        names = "$context.authorizer.principalId|$context.authorizer.toString|$context.authorizer.get('__class__')"
        api = guarded(one, protocol)
        default = route("$default", mock(names), two_way=True)
        api = msgspec.structs.replace(api, routes={**api.routes, "$default": default})
        gateway.deploy(api, handlers={"authorize": asked})
        client = await gateway.connect("/pets/dev", headers=[("X-Token", "t")])
        await client.send_json({})
        assert (await client.receive_text()).split("|") == ["somebody", "x", "x"]
        return
    answer = await call(gateway, protocol, "X-Token: t")
    assert answer.status == 200
    assert "admin" not in str(answer.json() if protocol == "REST" else answer.json().get("principalId", ""))


NAMES = ["a\nb", "a\r\n{}", 'a"b', 'a","status":"200', "a\\", "a\x1b[2J", "a\u2028b", "a b c", "\u202eevil", "a\x00"]


@EACH
@pytest.mark.parametrize(
    "form",
    [
        '{"id":"$context.requestId","who":"$context.authorizer.principalId"}',
        '$context.requestId $context.authorizer.principalId "$context.status"',
    ],
    ids=["JSON", "text"],
)
async def test_no_name_of_a_principal_makes_a_log_line_of_its_own(
    make_gateway: MakeGateway, protocol: Protocol, form: str, tmp_path: Path
):
    """Nor does it change another member of a line."""
    log = tmp_path / "access.log"
    gateway = await make_gateway(access_log=str(log))
    asked = Asked()
    one = authorizer(protocol, "authorize", called="PYTHON", payload_format_version="1.0", result_ttl=0)
    stage = Stage(name="dev", access_log_format=form)
    gateway.deploy(guarded(one, protocol, stage=stage), handlers={"authorize": asked, "hello": hello})
    for name in NAMES:
        asked.result = policy(principalId=name)
        assert (await call(gateway, protocol, "X-Token: t")).status in (101, 200)
    await gateway.stop()
    text = log.read_bytes().decode()
    lines = text.removesuffix("\n").split("\n")
    # Handshakes, then the ends of their connections.
    assert len(lines) == len(NAMES) * (2 if protocol == "WEBSOCKET" else 1), lines
    for line in lines:
        assert not re.search("[\x00-\x1f]", line), line
        if form.startswith("{"):
            assert list(json.loads(line)) == ["id", "who"], line
        else:
            assert line.endswith('"200"'), line


# ---- when


async def test_an_answer_that_is_under_way_when_its_token_ends_does_not_come_after_the_end(gateway: TestGateway):
    authority_ = serve(gateway, token_expiry="CLOSE")
    end = int(gateway.clock.wall_ms() / 1000) + 60
    authority_.tokens["good"] = {**authority_.tokens["good"], "expiresAt": end}
    client = await gateway.connect("/prod?token=good")
    held, begun = asyncio.Event(), asyncio.Event()
    original = authority_.route

    async def slow(event: dict[str, Any], context: Any) -> Any:
        begun.set()
        await held.wait()
        return await original(event, context)

    gateway.deploy(chat(token_expiry="CLOSE"), handlers={**authority_.handlers, "route": slow})
    await client.send_json({"action": "anything"})
    await asyncio.wait_for(begun.wait(), 5)
    gateway.advance(61)
    held.set()
    frame = await client.receive_frame()
    assert frame is not None
    assert frame.payload[:2] == (4401).to_bytes(2, "big"), frame


async def test_who_was_refused_once_is_asked_about_again_with_another_token(gateway: TestGateway):
    serve(gateway)
    assert (await refused(gateway, headers=bearer("bad"))).status == 401
    assert await who(await gateway.connect("/prod", headers=bearer("good"))) == "ada"
