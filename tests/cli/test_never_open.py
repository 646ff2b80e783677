"""Whatever spelling a definition asks for a guard in: it is refused with an error, or served guarded; never open.

What is served is asked over a socket, without credentials and with some that nobody has given out: what stands behind
the route must not be reached.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.formats.openapi_documents import openapi, operation
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import open_socket
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.finding import has_errors

AUTHORIZER, TYPE, AUTH = (f"x-amazon-apigateway-{name}" for name in ("authorizer", "authtype", "auth"))
FUNCTION = "python:the:authorizer"
BACKEND = "python:the:backend"
POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a"
HEADER = {"type": "apiKey", "name": "Authorization", "in": "header"}
SCHEMES: dict[str, dict[str, Any]] = {
    "api-key": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
    "iam": {**HEADER, TYPE: "awsSigv4"},
    "token": {**HEADER, TYPE: "custom", AUTHORIZER: {"type": "token", "authorizerUri": FUNCTION}},
    "request": {**HEADER, TYPE: "custom", AUTHORIZER: {"type": "request", "authorizerUri": FUNCTION}},
    "request-uncached": {
        **HEADER,
        AUTHORIZER: {"type": "request", "authorizerUri": FUNCTION, "authorizerResultTtlInSeconds": 0},
    },
    "cognito": {**HEADER, AUTHORIZER: {"type": "cognito_user_pools", "providerARNs": [POOL]}},
    "jwt": {
        "type": "oauth2",
        AUTHORIZER: {
            "type": "jwt",
            "identitySource": "$request.header.Authorization",
            "jwtConfiguration": {"issuer": "https://issuer.invalid", "audience": ["a"]},
        },
    },
    "no-authorizer": {**HEADER, TYPE: "cognito_user_pools"},
}
PLACES = ("root", "operation", "any", "referred", "scheme-referred", "before-none", "after-none")
KINDS = ("openapi-rest", "swagger-rest", "openapi-http")
#: What must not be merely refused: it is what the kind of API is guarded with.
WORKING = {
    "openapi-rest": ("api-key", "iam", "token", "request-uncached", "cognito"),
    "swagger-rest": ("api-key", "iam", "token", "request-uncached", "cognito"),
    "openapi-http": ("iam", "request", "request-uncached", "jwt"),
}
#: Nobody's credentials: some that are not there, some that are looked for and known to nobody.
CALLERS = (
    (),
    ("Authorization: Bearer x.y.z", "x-api-key: x.y.z"),
    (
        "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20300101/us-east-1/execute-api/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=00",
        "X-Amz-Date: 20300101T000000Z",
    ),
)
SOCKET = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
REFUSED, GUARDED, OPEN = "refused", "guarded", "open"
Outcome = Callable[[Any], Awaitable[str]]


@pytest.fixture
async def outcome(tmp_path: Path) -> AsyncIterator[Outcome]:
    """What becomes of a definition: REFUSED with an error, GUARDED so that nobody gets in, or OPEN."""
    gateway = TestGateway(True)
    reached: list[Any] = []

    def backend(event: Any, context: Any) -> dict[str, Any]:
        reached.append(event)
        return {"statusCode": 200, "body": "{}"}

    def authorizer(event: Any, context: Any) -> None:
        raise PermissionError("Unauthorized")

    async def outcome(document: Any) -> str:
        reached.clear()
        file = tmp_path / "api.json"
        file.write_bytes(orjson.dumps(document))
        definitions = read_definitions([file], {})
        if has_errors(definitions.findings):
            return REFUSED
        # What the check lets pass has to deploy, or `wsgw check` would promise too much.
        gateway.deploy(*definitions.apis, handlers={"the:backend": backend, "the:authorizer": authorizer})
        (api,) = definitions.apis
        stage = next(iter(api.stages))
        where = f"/{api.id}" if stage == "$default" else f"/{api.id}/{stage}"
        if api.protocol == "WEBSOCKET":
            targets, upgrade = [f"/{stage}"], SOCKET
        else:
            targets, upgrade = [where + path for path in ("/", "/a", "/b")], ("Connection: close",)
        for lines, target in product(CALLERS, targets):
            await ask(gateway, target, *upgrade, *lines)
        return OPEN if reached else GUARDED

    await gateway.start()
    yield outcome
    await gateway.stop()


async def ask(gateway: TestGateway, target: str, *lines: str) -> None:
    """A request or handshake; whoever is let in reaches the backend."""
    head = "\r\n".join([f"GET {target} HTTP/1.1", "Host: gateway.example", *lines, "", ""])
    async with await open_socket(gateway.url) as socket:
        await socket.send(head.encode())
        await asyncio.wait_for(socket.receive_response(), 20)


def guarded(kind: str, scheme: str, place: str) -> dict[str, Any]:
    """An API whose one route `scheme` guards, as said at `place`."""
    get, required = operation({"type": "python", "httpMethod": "POST", "uri": BACKEND}), [{scheme: []}]
    schemes = {scheme: SCHEMES[scheme]}
    root = "securityDefinitions" if kind == "swagger-rest" else "components/securitySchemes"
    document = openapi({"/a": {"get": get}})
    if place == "root":
        document["security"] = required
    elif place == "scheme-referred":
        schemes["other"] = {"$ref": f"#/{root}/{scheme}"}
        get["security"] = [{"other": []}]
    else:
        get["security"] = {"before-none": [*required, {}], "after-none": [{}, *required]}.get(place, required)
    if place == "any":
        document["paths"] = {"/a": {"x-amazon-apigateway-any-method": get}}
    elif place == "referred":
        document["paths"] = {"/a": {"$ref": "#/paths/~1b"}, "/b": {"get": get}}
    if kind == "swagger-rest":
        del document["openapi"]
        return {**document, "swagger": "2.0", "securityDefinitions": schemes}
    protocol = "HTTP" if kind == "openapi-http" else "REST"
    return {**document, "components": {"securitySchemes": schemes}, "x-wsgw-protocol": protocol}


def without_guard(document: Any) -> Any:
    """`document` without all that says who may call."""
    if not isinstance(document, dict):
        return document
    return {key: without_guard(value) for key, value in document.items() if key not in ("security", AUTH)}


@pytest.mark.parametrize(("kind", "scheme", "place"), list(product(KINDS, SCHEMES, PLACES)))
async def test_an_imported_api_that_asks_for_a_guard_is_never_open(
    kind: str, scheme: str, place: str, outcome: Outcome
):
    assert await outcome(guarded(kind, scheme, place)) == (GUARDED if scheme in WORKING[kind] else REFUSED)


@pytest.mark.parametrize(("kind", "place"), list(product(KINDS, PLACES)))
async def test_the_same_without_the_guard_is_open(kind: str, place: str, outcome: Outcome):
    """So that it is the guard that keeps the others closed."""
    assert await outcome(without_guard(guarded(kind, "api-key", place))) == OPEN


@pytest.mark.parametrize("auth", ["AWS_IAM", "aws_iam", " AWS_IAM", "CUSTOM", None, True, ["AWS_IAM"]], ids=repr)
@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
async def test_the_extension_of_an_operation_never_leaves_it_open(protocol: str, auth: Any, outcome: Outcome):
    integration = {"type": "python", "httpMethod": "POST", "uri": BACKEND}
    paths = {"/a": {"get": operation(integration, **{AUTH: {"type": auth}})}}
    known = auth in ("AWS_IAM", "aws_iam")
    found = await outcome(openapi(paths, **{"x-wsgw-protocol": protocol}))
    assert found == (GUARDED if known else REFUSED)


def allowing(principal: Any = "*", address: str = "10.0.0.0/8", **members: Any) -> dict[str, Any]:
    """A policy that lets nobody in who calls from here."""
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*",
        "Condition": {"IpAddress": {"aws:SourceIp": address}},
    }
    return {"Version": "2012-10-17", "Statement": {**statement, **members}}


POLICIES: list[Any] = [
    {"Statement": []},
    '{"Statement": []}',
    {},
    "{}",
    "",
    "x",
    [],
    1,
    None,
    allowing(Effect="allow"),
    allowing(Action=[]),
    allowing(Conditions={}),
    allowing(address="10.0.0.0/99"),
]
CLOSING: list[Any] = [
    allowing(),
    orjson.dumps(allowing()).decode(),
    allowing(Resource="execute-api:/other/GET/*"),
    allowing(Action="execute-api:ManageConnections"),
    allowing({"AWS": "arn:aws:iam::123456789012:root"}, "0.0.0.0/0"),
]


def with_policy(form: str, policy: Any) -> dict[str, Any]:
    integration = {"type": "python", "httpMethod": "POST", "uri": BACKEND}
    if form == "native":
        return {"apis": {"a": {"protocol": "REST", "routes": {"GET /": BACKEND}, "policy": policy}}}
    protocol = "HTTP" if form == "openapi-http" else "REST"
    paths = {"/": {"get": operation(integration)}}
    return openapi(paths, **{"x-wsgw-protocol": protocol, "x-amazon-apigateway-policy": policy})


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("form", ["openapi-rest", "openapi-http", "native"])
async def test_a_resource_policy_that_is_none_is_refused(form: str, policy: Any, outcome: Outcome):
    assert await outcome(with_policy(form, policy)) == REFUSED


@pytest.mark.parametrize("policy", CLOSING, ids=repr)
@pytest.mark.parametrize("form", ["openapi-rest", "openapi-http", "native"])
async def test_a_resource_policy_that_is_meant_for_others_lets_nobody_in(form: str, policy: Any, outcome: Outcome):
    assert await outcome(with_policy(form, policy)) == (REFUSED if form == "openapi-http" else GUARDED)


@pytest.mark.parametrize("form", ["openapi-rest", "native"])
async def test_a_resource_policy_that_is_meant_for_callers_from_here_lets_them_in(form: str, outcome: Outcome):
    """So that it is the policy that keeps the others closed."""
    assert await outcome(with_policy(form, allowing(address="127.0.0.0/8"))) == OPEN


async def test_a_private_api_without_a_policy_lets_nobody_in(outcome: Outcome):
    api = {"protocol": "REST", "routes": {"GET /": BACKEND}, "endpointConfiguration": {"types": ["PRIVATE"]}}
    assert await outcome({"apis": {"a": api}}) == GUARDED


REQUEST = {"type": "REQUEST", "uri": FUNCTION, "resultTtlInSeconds": 0}
JWT = {"type": "JWT", "issuer": "https://issuer.invalid", "audience": "a"}
COGNITO = {"type": "COGNITO_USER_POOLS", "providerARNs": [POOL]}
NATIVE: dict[str, dict[str, Any]] = {
    "REST": {
        "protocol": "REST",
        "authorizers": {"request": REQUEST, "token": {"type": "TOKEN", "uri": FUNCTION}, "cognito": COGNITO},
        "routes": {"GET /": {"integration": BACKEND}},
    },
    "HTTP": {
        "protocol": "HTTP",
        "authorizers": {"request": REQUEST, "jwt": JWT},
        "routes": {"GET /": {"integration": BACKEND}},
    },
    "WEBSOCKET": {
        "protocol": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
        "authorizers": {"request": REQUEST, "jwt": JWT},
        "routes": {"$connect": {"integration": BACKEND}},
    },
}
#: What a route says, and the kinds of API that are then served.
MEMBERS: list[tuple[dict[str, Any], str]] = [
    ({"authorizationType": "AWS_IAM"}, "REST HTTP WEBSOCKET"),
    ({"authorizer": "request"}, "REST HTTP WEBSOCKET"),
    ({"authorizerId": "request"}, "REST HTTP WEBSOCKET"),
    ({"authorizationType": "CUSTOM", "authorizerId": "request"}, "REST HTTP WEBSOCKET"),
    ({"authorizer": "token"}, "REST"),
    ({"authorizer": "cognito"}, "REST"),
    ({"authorizer": "cognito", "authorizationScopes": ["a"]}, "REST"),
    ({"authorizer": "jwt"}, "HTTP WEBSOCKET"),
    ({"authorizer": "jwt", "authorizationScopes": ["a"]}, "HTTP WEBSOCKET"),
    ({"apiKeyRequired": True}, "REST WEBSOCKET"),
    ({"authorizationType": "CUSTOM"}, ""),
    ({"authorizationType": "JWT"}, ""),
    ({"authorizationType": "CUSTOM", "authorizerId": "a"}, ""),
    ({"authorizationType": "NONE", "authorizer": "request"}, ""),
    ({"authorizationType": "AWS_IAM", "authorizer": "request"}, ""),
    ({"authorizationType": "AWS_IAM", "authorizationScopes": ["a"]}, ""),
    ({"authorizationType": "COGNITO_USER_POOLS"}, ""),
    ({"authorizationType": "COGNITO_USER_POOLS", "authorizer": "request"}, ""),
    ({"authorizationType": "aws_iam"}, ""),
    ({"authorizationType": None}, ""),
    ({"authorizerId": "a"}, ""),
    ({"authorizer": "a"}, ""),
    ({"authorizer": None}, ""),
    ({"authorizationScopes": ["a"]}, ""),
    ({"apiKeyRequired": "true"}, ""),
    ({"security": []}, ""),
]


@pytest.mark.parametrize(("members", "served"), MEMBERS, ids=str)
@pytest.mark.parametrize("protocol", NATIVE)
async def test_a_route_of_the_native_format_that_asks_for_a_guard_is_never_open(
    protocol: str, members: dict[str, Any], served: str, outcome: Outcome
):
    api = copy.deepcopy(NATIVE[protocol])
    assert await outcome({"apis": {"a": api}}) == OPEN
    for route in api["routes"].values():
        route |= members
    assert await outcome({"apis": {"a": api}}) == (GUARDED if protocol in served.split() else REFUSED)


BLOCK: dict[str, Any] = {"Name": "w", "DefaultAction": {"Block": {}}, "Rules": []}
ACLS: list[tuple[Any, str]] = [
    (BLOCK, GUARDED),
    ({"Name": "w", "DefaultAction": {"Blok": {}}, "Rules": []}, REFUSED),
    ({"Name": "w", "DefaultAction": {"Allow": {}}, "Rules": [{"Name": "r"}]}, REFUSED),
    ({"Name": "w", "DefaultAction": {"Allow": {}}, "Ruels": []}, REFUSED),
    ({"DefaultAction": {}}, REFUSED),
    ([], REFUSED),
    ("arn:aws:wafv2:us-east-1:1:regional/webacl/w/1", REFUSED),
    (None, REFUSED),
]


@pytest.mark.parametrize(("acl", "becomes"), ACLS, ids=str)
@pytest.mark.parametrize("protocol", NATIVE)
async def test_a_stage_that_asks_for_a_web_acl_is_never_open(protocol: str, acl: Any, becomes: str, outcome: Outcome):
    stages = {"prod": {"webAcl": acl}}
    assert await outcome({"apis": {"a": {**NATIVE[protocol], "stages": stages}}}) == becomes


THROTTLE = {"rateLimit": 1, "burstLimit": 1}
STAGES: list[tuple[dict[str, Any], str]] = [
    ({"tokens": {"ticket": "t"}}, GUARDED),
    ({"tokens": {"query": "t"}}, REFUSED),
    ({"tokens": {"tiket": "t"}}, REFUSED),
    ({"tokens": None}, REFUSED),
    ({"tokenExpiry": "CLOSE"}, REFUSED),
    ({"tokenExpiry": "close"}, REFUSED),
    ({"authorizeMessages": True}, REFUSED),
    ({"authorizeMessages": "true"}, REFUSED),
    ({"callerThrottles": {"principal": THROTTLE}}, REFUSED),
    ({"callerThrottles": {"sourceip": THROTTLE}}, REFUSED),
    ({"callerThrottles": None}, REFUSED),
]


@pytest.mark.parametrize(("stage", "becomes"), STAGES, ids=str)
async def test_a_stage_that_asks_for_more_of_its_clients_is_never_open(
    stage: dict[str, Any], becomes: str, outcome: Outcome
):
    assert await outcome({"apis": {"a": {**NATIVE["WEBSOCKET"], "stages": {"prod": stage}}}}) == becomes
