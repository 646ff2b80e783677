"""API keys and usage plans of WebSocket APIs: asked for by the handshake, and in which order.

What plans count and refuse in detail stands in tests/pipeline/test_meter.py.
Source: developer guide, "Create and use usage plans with API keys", "Throttle requests to your REST APIs"; service
model `apigatewayv2`, apiKeySelectionExpression.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from wsgw.definitions.check import check
from wsgw.definitions.finding import Finding
from wsgw.definitions.freeze import freeze
from wsgw.errors import DefinitionError
from wsgw.formats.parse import Parsed, parse

VALUE, OTHER = "partner-value-of-20-or-more", "another-value-of-20-or-more"
BY_AUTHORIZER = "$context.authorizer.usageIdentifierKey"


def file(connect: dict[str, Any], *, plan: Any = (), stage: Any = None, **members: Any) -> dict[str, Any]:
    """A file with the API `chat`, two keys, and a plan that has both for the stage prod."""
    pong = {"integration": {"type": "MOCK", "responseTemplates": {"$default": "pong"}}, "twoWay": True}
    chat = {
        "protocol": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
        "routes": {"$connect": connect, "ping": {**pong, **members.pop("ping", {})}},
        "stages": {"prod": stage, "dev": None},
        **members,
    }
    gold = {"apiStages": [{"apiId": "chat", "stage": "prod"}], "keys": ["partner", "other"], **dict(plan)}
    keys = {"partner": {"value": VALUE}, "other": {"value": OTHER}}
    return {"apis": {"chat": chat}, "apiKeys": keys, "usagePlans": {"gold": gold}}


def parsed_of(one: dict[str, Any]) -> Parsed:
    return parse(json.dumps(one).encode(), "chat.yaml", {})


def findings(one: dict[str, Any]) -> list[Finding]:
    parsed = parsed_of(one)
    return [*parsed.findings, *(check(freeze(parsed.documents[0])) if not parsed.findings else ())]


@pytest.fixture
def lanes() -> bool:
    """Handshakes are guarded behind either door alike."""
    return True


async def authorize(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Lets in all but those whose X-Token is `no`; the key is what X-Usage says."""
    headers = {name.lower(): value for name, value in event["headers"].items()}
    effect = "Deny" if headers.get("x-token") == "no" else "Allow"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": "*"}
    named = {"usageIdentifierKey": headers["x-usage"]} if "x-usage" in headers else {}
    return {"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **named}


def serve(gateway: TestGateway, one: dict[str, Any]) -> None:
    parsed = parsed_of(one)
    assert parsed.findings == ()
    gateway.deploy(*map(freeze, parsed.documents), handlers={"auth:authorize": authorize})
    gateway.app.admit_keys(parsed.api_keys, parsed.usage_plans)


async def connect(gateway: TestGateway, path: str = "/prod", **headers: str) -> RawWebSocket:
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return await gateway.connect(path, headers=lines)


async def refused(gateway: TestGateway, path: str = "/prod", **headers: str) -> tuple[int, str]:
    """Status and message of the uniform object that a handshake is refused with."""
    with pytest.raises(HandshakeRefused) as refusal:
        await connect(gateway, path, **headers)
    body = json.loads(refusal.value.response.body)
    assert list(body) == ["message", "connectionId", "requestId"]
    return refusal.value.response.status, body["message"]


KEYED = {"apiKeyRequired": True}
WHO = {"type": "REQUEST", "uri": "python:auth:authorize", "identitySource": "route.request.header.X-Token"}
GUARDED = {"apiKeyRequired": True, "authorizer": "who"}
FORBIDDEN, TOO_MANY, EXCEEDED = (403, "Forbidden"), (429, "Too Many Requests"), (429, "Limit Exceeded")


# ---- where a key comes from


@pytest.mark.parametrize("name", ["x_api_key", "X_Api_Key"])
async def test_a_key_in_the_header(gateway: TestGateway, name: str):
    """Key comes from header `x-api-key` (default)."""
    serve(gateway, file(KEYED))
    client = await connect(gateway, **{name: VALUE})
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"


async def test_a_key_that_the_authorizer_names(gateway: TestGateway):
    """… or from the authorizer's `usageIdentifierKey`, and then from nowhere else."""
    serve(gateway, file(GUARDED, authorizers={"who": WHO}, apiKeySelectionExpression=BY_AUTHORIZER))
    await connect(gateway, x_token="t", x_usage=VALUE)
    assert await refused(gateway, x_token="t", x_usage="nobody") == FORBIDDEN
    assert await refused(gateway, x_token="t", x_api_key=VALUE) == FORBIDDEN


async def test_the_query_string_is_not_a_source(gateway: TestGateway):
    serve(gateway, file(KEYED))
    assert await refused(gateway, f"/prod?x-api-key={VALUE}") == FORBIDDEN


EXPRESSIONS = [
    pytest.param("$request.header.x-api-key", GUARDED, set(), id="$request.header.x-api-key"),
    pytest.param(BY_AUTHORIZER, GUARDED, set(), id=BY_AUTHORIZER),
    pytest.param("$request.querystring.key", GUARDED, {"error"}, id="another expression"),
]


@pytest.mark.parametrize(("expression", "connect", "severities"), EXPRESSIONS)
def test_each_selection_expression(expression: str, connect: dict[str, Any], severities: set[str]):
    """apiKeySelectionExpression."""
    one = file(connect, authorizers={"who": WHO}, apiKeySelectionExpression=expression)
    assert {finding.severity for finding in findings(one)} == severities


async def test_an_authorizer_that_is_not_there_names_no_key(gateway: TestGateway):
    """Without one nobody would have a key: not deployed."""
    with pytest.raises(DefinitionError, match="come from an authorizer"):
        serve(gateway, file(KEYED, apiKeySelectionExpression=BY_AUTHORIZER))


# ---- which key will do

REFUSED = [
    pytest.param({}, {}, id="missing"),
    pytest.param({"x_api_key": ""}, {}, id="empty"),
    pytest.param({"x_api_key": "a-value-that-nobody-has-given"}, {}, id="invalid"),
    pytest.param({"x_api_key": OTHER}, {"keys": ["partner"]}, id="in no usage plan"),
    pytest.param(
        {"x_api_key": VALUE}, {"apiStages": [{"apiId": "chat", "stage": "dev"}]}, id="a plan of another stage"
    ),
]


@pytest.mark.parametrize(("headers", "plan"), REFUSED)
async def test_each_key_that_will_not_do(gateway: TestGateway, headers: dict[str, str], plan: dict[str, Any]):
    """Key must belong to a usage plan that includes this API stage. Missing/invalid → 403 `Forbidden` (unconfirmed)."""
    serve(gateway, file(KEYED, plan=plan))
    assert await refused(gateway, **headers) == FORBIDDEN
    assert gateway.connections == []


OVER = [
    pytest.param({"throttle": {"rateLimit": 0.001, "burstLimit": 1}}, TOO_MANY, id="over plan rate"),
    pytest.param({"quota": {"limit": 1, "period": "DAY"}}, EXCEEDED, id="over plan quota"),
    pytest.param(
        {
            "apiStages": [
                {"apiId": "chat", "stage": "prod", "throttle": {"$connect": {"rateLimit": 0.001, "burstLimit": 1}}}
            ]
        },
        TOO_MANY,
        id="over the plan's rate of $connect",
    ),
]


@pytest.mark.parametrize(("plan", "said"), OVER)
async def test_each_limit_of_a_plan(gateway: TestGateway, plan: dict[str, Any], said: tuple[int, str]):
    """Over plan quota/rate → 429; of each key by itself."""
    serve(gateway, file(KEYED, plan=plan))
    await connect(gateway, x_api_key=VALUE)
    assert await refused(gateway, x_api_key=VALUE) == said
    await connect(gateway, x_api_key=OTHER)


async def test_the_handshake_alone_counts(gateway: TestGateway):
    """apiKeyRequired is accepted on other routes, enforced on handshake only (unconfirmed)."""
    serve(gateway, file(KEYED, plan={"quota": {"limit": 1, "period": "DAY"}}, ping=KEYED))
    client = await connect(gateway, x_api_key=VALUE)
    for _ in range(5):
        await client.send_json({"action": "ping"})
        assert await client.receive_text() == "pong"


async def test_a_key_on_other_routes_alone_is_an_error(gateway: TestGateway):
    """… and where `$connect` asks for none, nothing would: not deployed."""
    one = file({"operationName": "open"}, ping=KEYED)
    assert [finding.severity for finding in findings(one)] == ["error"]
    with pytest.raises(DefinitionError, match="with the handshake only"):
        serve(gateway, one)


# ---- the order


async def test_authorization_comes_before_the_key(gateway: TestGateway):
    """1. Authentication/authorization → 2. API-key check: who is not let in costs no plan anything."""
    one = file(GUARDED, authorizers={"who": WHO}, plan={"quota": {"limit": 1, "period": "DAY"}})
    serve(gateway, one)
    assert (await refused(gateway, x_api_key=VALUE))[0] == 401
    assert (await refused(gateway, x_api_key=VALUE, x_token="no"))[0] == 403
    assert await refused(gateway, x_token="t") == FORBIDDEN
    await connect(gateway, x_api_key=VALUE, x_token="t")
    assert await refused(gateway, x_api_key=VALUE, x_token="t") == EXCEEDED


async def test_the_key_and_its_plan_come_before_the_routes_throttle(gateway: TestGateway):
    """2. API-key check → 3. throttling (relative order unconfirmed); order of limits: plan → route/stage settings."""
    one = file(
        GUARDED,
        authorizers={"who": WHO},
        plan={"throttle": {"rateLimit": 0.001, "burstLimit": 1}},
        stage={"throttle": {"rateLimit": 0.001, "burstLimit": 2}},
    )
    serve(gateway, one)
    # None of these takes a token of the route's.
    assert (await refused(gateway))[0] == 401
    assert (await refused(gateway, x_token="no"))[0] == 403
    assert await refused(gateway, x_token="t") == FORBIDDEN
    await connect(gateway, x_api_key=VALUE, x_token="t")
    assert [await refused(gateway, x_api_key=VALUE, x_token="t") for _ in range(2)] == [TOO_MANY] * 2
    await connect(gateway, x_api_key=OTHER, x_token="t")
