"""Attacks on access control, over sockets: other spellings, other methods, other addresses, other people's results.

What is asked of each part by itself stands in its own tests; here all of it runs together, as an attacker meets it.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.authorizers import PROTOCOLS, authorizer, call, guarded, hello, policy
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, mock, route
from tests.harness.management import call as management_call
from tests.harness.raw_http import authority, split_responses, talk
from tests.harness.raw_websocket import Response, exchange, handshake
from tests.harness.signed_requests import KEY
from tests.harness.staying import bearer, refused, serve, who
from wsgw.definitions.access import Cors
from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.route import Integration, Route

HTTP: tuple[Protocol, ...] = ("REST", "HTTP")
BOTH = pytest.mark.parametrize("protocol", HTTP)
EACH = pytest.mark.parametrize("protocol", PROTOCOLS)
ARN = "arn:aws:execute-api:us-east-1:000000000000:pets/dev"


class Asked:
    """A Python authorizer that answers `result`, which may be a function of the event, and keeps what it was asked."""

    def __init__(self, result: Any = None) -> None:
        self.result = policy() if result is None else result
        self.events: list[dict[str, Any]] = []

    async def __call__(self, event: dict[str, Any], context: Any) -> Any:
        self.events.append(event)
        result = self.result(event) if callable(self.result) else self.result
        if isinstance(result, Exception):
            raise result
        return result


def proxied(protocol: Protocol, backend: Backend, *keys: str, **members: Any) -> Api:
    """An API whose routes call `backend` with the path as it is. `key!` is open, all others have the authorizer."""
    one = authorizer(protocol, "authorize", called="PYTHON", payload_format_version="1.0", **members.pop("who", {}))
    routes = {}
    for key in keys:
        name = key.rstrip("!")
        asked: dict[str, Any] = {} if key != name else {"authorization_type": "CUSTOM", "authorizer": "who"}
        parameters = {}
        uri = backend.url + name.partition(" ")[2]
        if "{proxy+}" in name:
            uri = f"{backend.url}/{{proxy}}"
            parameters = {"integration.request.path.proxy": "method.request.path.proxy"} if protocol == "REST" else {}
        proxy = Integration(type="HTTP_PROXY", uri=uri, method="ANY", request_parameters=parameters)
        routes[name] = Route(key=name, integration=proxy, resource_id="res1", **asked)
    stages = members.pop("stages", {"dev": Stage(name="dev")})
    return Api(
        id="pets", name="pets", protocol=protocol, routes=routes, stages=stages, authorizers={"who": one}, **members
    )


async def raw(gateway: TestGateway, target: str, *lines: str, verb: str = "GET", host: str = "") -> Response:
    """The answer to one request, whose head is exactly this."""
    head = [f"{verb} {target} HTTP/1.1", f"Host: {host or authority(gateway.url)}", *lines, "Connection: close"]
    received = await talk(gateway.url, "\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
    if verb == "HEAD":
        return Response(int(received.split()[1]), [], b"")
    return split_responses(received)[0]


# ---- paths


def read_by_others(target: str) -> str:
    """A path as a careless backend takes it: decoded, without matrix parameters, slashes and dot segments settled."""
    path = re.sub(r";[^/]*", "", unquote(target.partition("?")[0])).replace("\\", "/")
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept)


SPELLINGS = [
    "/admin/x",
    "/%61dmin/x",
    "/%41dmin/../admin/x",
    "//admin/x",
    "///admin/x",
    "/admin//x",
    "/admin/x/",
    "/admin/x//",
    "/admin%2Fx",
    "/admin%2fx",
    "/%2Fadmin/x",
    "/./admin/x",
    "/%2e/admin/x",
    "/public/../admin/x",
    "/public/..%2fadmin/x",
    "/public/%2e%2e/admin/x",
    "/public/..;/admin/x",
    "/public/..;a=b/admin/x",
    "/admin;a=b/x",
    "/admin;/x",
    "/;/admin/x",
    "/admin%3Bv=1/x",
    "/admin/x;v=1",
    "/admin\\x",
    "/admin%5Cx",
    "/admin/x%00",
    "/admin/x?",
    "/admin/x%23",
    "/admin%2F%2Fx",
    "/public%2F..%2Fadmin/x",
]


@BOTH
@pytest.mark.parametrize("target", SPELLINGS)
async def test_no_spelling_of_a_path_is_a_way_around_a_deny(
    gateway: TestGateway, backend: Backend, protocol: Protocol, target: str
):
    """S-53: encoding, dot segments, matrix parameters, slashes. Whatever reaches the backend is not what was denied."""
    denied = {"Action": "*", "Effect": "Deny", "Resource": f"{ARN}/GET/admin/*"}
    asked = Asked(policy())
    asked.result["policyDocument"]["Statement"].append(denied)
    gateway.deploy(proxied(protocol, backend, "ANY /{proxy+}", who={"result_ttl": 300}), handlers={"authorize": asked})
    # What is kept after another path has the same answer.
    assert (await call(gateway, protocol, "X-Token: t", path="/public/x")).status == 200
    answer = await call(gateway, protocol, "X-Token: t", path=target)
    assert answer.status in (400, 403, 404), target
    assert [read_by_others(one.target) for one in backend.requests] == ["/public/x"]


@pytest.mark.parametrize("target", SPELLINGS)
async def test_no_spelling_of_a_path_is_a_way_around_a_resource_policy(
    gateway: TestGateway, backend: Backend, target: str
):
    """S-53."""
    statements = [
        {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource}
        for effect, resource in (("Allow", "execute-api:/*"), ("Deny", "execute-api:/dev/GET/admin/*"))
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    gateway.deploy(proxied("REST", backend, "ANY /{proxy+}!", policy=document))
    assert (await call(gateway, "REST", path="/public/x")).status == 200
    assert (await call(gateway, "REST", path=target)).status in (400, 403, 404), target
    assert [read_by_others(one.target) for one in backend.requests] == ["/public/x"]


@BOTH
@pytest.mark.parametrize("target", [one for one in SPELLINGS if one != "/admin/x"])
async def test_no_spelling_of_a_path_has_what_another_one_is_allowed(
    gateway: TestGateway, backend: Backend, protocol: Protocol, target: str
):
    """S-53: an allowance is of the path that is written in it, by whatever else it could be read as."""
    asked = Asked(policy(resource=f"{ARN}/GET/public/*"))
    gateway.deploy(proxied(protocol, backend, "ANY /{proxy+}"), handlers={"authorize": asked})
    assert (await call(gateway, protocol, "X-Token: t", path=target)).status in (400, 403, 404)
    assert backend.requests == []


@BOTH
@pytest.mark.parametrize("target", ["/a", "/%61", "/a/", "//a", "/a//", "/A", "/a;b", "/a%20", "/a%2F", "/a.", "/./a"])
async def test_an_open_route_beside_a_guarded_one_is_reached_by_its_own_path_only(
    gateway: TestGateway, backend: Backend, protocol: Protocol, target: str
):
    """S-53: matched, authorized and sent on as one path."""
    asked = Asked(Exception("Unauthorized"))
    gateway.deploy(proxied(protocol, backend, "GET /a", "GET /{proxy+}!"), handlers={"authorize": asked})
    answer = await call(gateway, protocol, "X-Token: t", path=target)
    if answer.status == 200:
        (sent,) = backend.requests
        assert read_by_others(sent.target) != "/a" or target in ("//a", "/a/", "/a//", "/a;b", "/a%2F"), sent.target
        assert sent.target.startswith(("/a", "/A", "//a"))
    else:
        assert backend.requests == []


# ---- methods


@BOTH
@pytest.mark.parametrize(
    "verb", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST", "get", "GETX", "TRACE", "CONNECT"]
)
async def test_no_other_method_is_a_way_around_the_guard_of_any(
    gateway: TestGateway, backend: Backend, protocol: Protocol, verb: str
):
    asked = Asked(Exception("Unauthorized"))
    gateway.deploy(proxied(protocol, backend, "ANY /a", "GET /a!"), handlers={"authorize": asked})
    assert (await raw(gateway, "/pets/dev/a", "X-Token: t", verb=verb)).status in (400, 401, 403, 404, 405)
    assert backend.requests == []


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "x-http-method-override", "X-Http-Method-Override"])
@pytest.mark.parametrize("verb", ["GET", "POST", "HEAD", "OPTIONS"])
async def test_an_overridden_method_is_authorized_as_what_it_became(
    gateway: TestGateway, backend: Backend, header: str, verb: str
):
    """S-53: the override comes before the route, its authorizer and the key of its results."""
    asked = Asked(policy(resource=f"{ARN}/GET/*"))
    api = proxied("REST", backend, "ANY /a!", "DELETE /a", "GET /a", who={"result_ttl": 300})
    gateway.deploy(api, handlers={"authorize": asked})
    assert (await raw(gateway, "/pets/dev/a", "X-Token: t")).status == 200
    assert (await raw(gateway, "/pets/dev/a", f"{header}: DELETE", verb=verb)).status == 401
    assert (await raw(gateway, "/pets/dev/a", "X-Token: t", f"{header}: DELETE", verb=verb)).status == 403
    assert [one.method for one in backend.requests] == ["GET"]


@pytest.mark.parametrize("overrides", [("GET", "DELETE"), ("DELETE", "GET"), ("POST", "DELETE")])
async def test_of_two_overrides_the_one_that_was_authorized_is_sent_on(
    gateway: TestGateway, backend: Backend, overrides: tuple[str, str]
):
    """S-53."""
    gateway.deploy(
        proxied("REST", backend, "ANY /a!", "DELETE /a"), handlers={"authorize": Asked(Exception("Unauthorized"))}
    )
    lines = [f"X-HTTP-Method-Override: {one}" for one in overrides]
    answer = await raw(gateway, "/pets/dev/a", *lines, verb="POST")
    assert answer.status == 200 or not backend.requests
    assert [one.method for one in backend.requests] in ([], [overrides[0]])
    assert "DELETE" not in [one.method for one in backend.requests]


async def test_a_preflight_is_answered_without_asking_anybody_and_nothing_else_is(
    gateway: TestGateway, backend: Backend
):
    asked = Asked(Exception("Unauthorized"))
    cors = Cors(allow_origins=("https://a.example",), allow_methods=("GET",))
    gateway.deploy(proxied("HTTP", backend, "ANY /a", cors=cors), handlers={"authorize": asked})
    page, wants = "Origin: https://a.example", "Access-Control-Request-Method: GET"
    assert (await raw(gateway, "/pets/dev/a", page, wants, verb="OPTIONS")).status in (200, 204)
    assert asked.events == []
    for lines, verb in [((page,), "OPTIONS"), ((wants,), "OPTIONS"), ((page, wants), "GET"), ((page, wants), "HEAD")]:
        assert (await raw(gateway, "/pets/dev/a", "X-Token: t", *lines, verb=verb)).status == 401, (lines, verb)
    assert backend.requests == []


# ---- other doors


@BOTH
async def test_an_upgrade_to_a_guarded_route_is_a_request_like_others(
    gateway: TestGateway, backend: Backend, protocol: Protocol
):
    asked = Asked(lambda event: policy("Allow" if "good" in json.dumps(event["headers"]) else "Deny"))
    gateway.deploy(proxied(protocol, backend, "GET /a"), handlers={"authorize": asked})
    statuses = []
    for headers in ([], [("X-Token", "bad")], [("X-Token", "good")]):
        statuses.append((await exchange(gateway.url, handshake("/pets/dev/a", "gateway.example", headers))).status)
    assert statuses == [401, 403, 200]
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
@pytest.mark.parametrize("verb", ["POST", "GET", "DELETE", "HEAD", "PUT"])
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
        names = "$context.authorizer.principalId|$context.authorizer.__class__|$context.authorizer.__init__"
        api = guarded(one, protocol)
        default = route("$default", mock(names), two_way=True)
        api = msgspec.structs.replace(api, routes={**api.routes, "$default": default})
        gateway.deploy(api, handlers={"authorize": asked})
        client = await gateway.connect("/pets/dev", headers=[("X-Token", "t")])
        await client.send_json({})
        assert (await client.receive_text()).split("|") == ["somebody", "x", ""]
        return
    answer = await call(gateway, protocol, "X-Token: t")
    assert answer.status == 200
    assert "admin" not in str(answer.json() if protocol == "REST" else answer.json().get("principalId", ""))


NAMES = ["a\nb", "a\r\n{}", 'a"b', 'a","status":"200', "a\\", "a\x1b[2J", "a\u2028b", "a b c", "\u202eevil", "a\x00"]


@EACH
@pytest.mark.parametrize(
    "form", ['{"who":"$context.authorizer.principalId"}', '$context.authorizer.principalId "$status"']
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
    assert len(lines) == len(NAMES), lines
    for line, name in zip(lines, NAMES, strict=True):
        assert not re.search("[\x00-\x1f]", line), line
        if form.startswith("{"):
            assert list(json.loads(line)) == ["who"], line
        else:
            assert line.endswith(('"200"', '"101"')), (line, name)


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

    from tests.harness.staying import guarded as chat

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
