"""Lambda authorizers of HTTP APIs: the definition, where its context gets to, each answer, what is kept and for whom.

What an authorizer is told, and its failures one by one, stand in tests/spec/authorizers for all kinds of API.
Source: developer guide, "Control access to HTTP APIs with AWS Lambda authorizers".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import MakeGateway
from tests.harness.authorizers import policy
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Answer, Client, function, new_session, proxy
from tests.harness.lambda_endpoint import Function, LambdaEndpoint, raises, returns
from wsgw.definitions.api import Api
from wsgw.definitions.check import check
from wsgw.definitions.finding import Finding
from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse

TOKEN = {"X-Token": "t"}
CONTEXT = {"name": "n", "level": 7, "ratio": 1.5, "admin": True, "tags": ["a", 1], "at": {"x": 1}}
UNAUTHORIZED, FORBIDDEN = b'{"message":"Unauthorized"}', b'{"message":"Forbidden"}'
FAILED = b'{"message":"Internal Server Error"}'


def document(integration: dict[str, Any], *keys: str, **members: Any) -> dict[str, Any]:
    """The API `web`, each of its routes (`GET /a` and `GET /b`) behind the authorizer `who`; `members` of it.

    `authorizers` are more of them, `stages` its stages, `route` more of each route.
    """
    others, stages = members.pop("authorizers", {}), members.pop("stages", {"$default": None})
    route = {"authorizer": "who", **members.pop("route", {})}
    one = {"type": "REQUEST", "uri": "lambda:auth", "identitySource": "$request.header.X-Token", **members}
    return {
        "protocol": "HTTP",
        "authorizers": {"who": {name: value for name, value in one.items() if value is not None}, **others},
        "routes": {key: {**integration, **route} for key in keys or ("GET /a", "GET /b")},
        "stages": stages,
    }


def findings(one: dict[str, Any]) -> list[Finding]:
    parsed = parse(json.dumps({"apis": {"web": one}}).encode(), "web.yaml", {})
    return [*parsed.findings, *(check(freeze(parsed.documents[0])) if not parsed.findings else ())]


def guarded(integration: dict[str, Any], *keys: str, **members: Any) -> Api:
    one = document(integration, *keys, **members)
    assert findings(one) == []
    return freeze(parse(json.dumps({"apis": {"web": one}}).encode(), "web.yaml", {}).documents[0])


@pytest.fixture
def lanes() -> bool:
    """Authorizers are asked behind either door alike."""
    return True


class Site:
    """The API in front of a backend, its authorizer a function `auth` that lets all in until told otherwise."""

    def __init__(self, gateway: TestGateway, backend: Backend, client: Client, lambdas: LambdaEndpoint) -> None:
        self.gateway, self.backend, self.lambdas, self._client = gateway, backend, lambdas, client
        backend.on("/", 200, "pets")
        self.answers(returns({"isAuthorized": True}))

    def answers(self, function: Function, name: str = "auth") -> None:
        self.lambdas.functions[name] = function

    def deploy(self, *keys: str, **members: Any) -> None:
        members.setdefault("enableSimpleResponses", True)
        self.gateway.deploy(guarded(proxy(self.backend.url), *keys, **members))

    async def ask(self, target: str = "/a", headers: Any = TOKEN) -> Answer:
        return await self._client.ask(target, headers=headers)

    async def status(self, target: str = "/a", headers: Any = TOKEN) -> int:
        return (await self.ask(target, headers)).status

    @property
    def calls(self) -> int:
        return len(self.lambdas.calls)


@pytest.fixture
def site(gateway: TestGateway, backend: Backend, client: Client, lambdas: LambdaEndpoint) -> Site:
    return Site(gateway, backend, client, lambdas)


# ---- definition

SOURCES = [
    pytest.param("$request.header.X-Token", "/a", TOKEN, id="$request.header.N"),
    pytest.param("$request.querystring.q", "/a?q=1", {}, id="$request.querystring.N"),
    pytest.param("$context.identity.sourceIp", "/a", {}, id="$context.N"),
    pytest.param("$stageVariables.tier", "/a", {}, id="$stageVariables.N"),
]


@pytest.mark.parametrize(("source", "target", "headers"), SOURCES)
async def test_each_identity_source(site: Site, source: str, target: str, headers: dict[str, str]):
    """Definition: identitySource, a list of …; its value is what the function is told."""
    site.deploy(identitySource=[source], stages={"$default": {"variables": {"tier": "gold"}}})
    assert await site.status(target, headers) == 200
    values = {"header": ["t"], "querystring": ["1"], "identity": ["127.0.0.1"], "stageVariables": ["gold"]}
    (told,) = [value for name, value in values.items() if name in source]
    assert site.lambdas.calls[-1].event["identitySource"] == told


@pytest.mark.parametrize(
    ("source", "headers"),
    [("$request.querystring.q", {}), ("$request.header.X-Token", {"X-Token": ""}), ("$stageVariables.none", {})],
    ids=["querystring missing", "header empty", "stage variable missing"],
)
async def test_an_identity_source_without_a_value(site: Site, source: str, headers: dict[str, str]):
    """Case: identity source missing or empty: 401, function not invoked."""
    site.deploy(identitySource=["$context.routeKey", source])
    answer = await site.ask(headers=headers)
    assert (answer.status, answer.body, site.calls) == (401, UNAUTHORIZED, 0)
    assert answer.header("www-authenticate") is None


DEFINITIONS = [
    pytest.param({"type": "TOKEN"}, "error", id="authorizerType REQUEST, not TOKEN"),
    pytest.param({"uri": None}, "error", id="authorizerUri missing"),
    pytest.param({"payloadFormatVersion": "1.0"}, "", id="authorizerPayloadFormatVersion 1.0"),
    pytest.param({"payloadFormatVersion": "2.0"}, "", id="authorizerPayloadFormatVersion 2.0"),
    pytest.param({"payloadFormatVersion": "3.0"}, "error", id="authorizerPayloadFormatVersion 3.0"),
    pytest.param(
        {"payloadFormatVersion": "1.0", "enableSimpleResponses": True}, "error", id="enableSimpleResponses: 2.0 only"
    ),
    pytest.param({"identitySource": ["method.request.header.a"]}, "error", id="identitySource as REST APIs write it"),
    pytest.param({"identitySource": ["$request.body.a"]}, "error", id="identitySource in the body"),
    pytest.param({"resultTtlInSeconds": 0}, "", id="authorizerResultTtlInSeconds 0"),
    pytest.param({"resultTtlInSeconds": 3600}, "", id="authorizerResultTtlInSeconds 3600"),
    pytest.param({"resultTtlInSeconds": 3601}, "error", id="authorizerResultTtlInSeconds 3601"),
    pytest.param(
        {"resultTtlInSeconds": 1, "identitySource": []}, "error", id="caching needs at least one identity source"
    ),
    pytest.param({"route": {"authorizationType": "JWT"}}, "error", id="route authorizationType CUSTOM, not JWT"),
    pytest.param({"route": {"authorizationType": "CUSTOM"}}, "", id="route authorizationType CUSTOM"),
]


@pytest.mark.parametrize(("members", "severity"), DEFINITIONS)
def test_each_member_of_a_definition(members: dict[str, Any], severity: str):
    found = {finding.severity for finding in findings(document(proxy("http://h"), **members))}
    assert found == ({severity} if severity else set())


async def test_without_a_time_nothing_is_kept(site: Site):
    """authorizerResultTtlInSeconds: value when omitted (unconfirmed): 0."""
    site.deploy()
    assert [await site.status() for _ in range(2)] == [200, 200]
    assert site.calls == 2


# ---- output


@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_the_output_may_be_a_policy(site: Site, version: str):
    """Output policy: for the ARN that the function was told, of either format."""
    arn = "arn:aws:execute-api:*:*:web/$default/GET/a"
    site.answers(returns(policy(resource=arn)))
    site.deploy(payloadFormatVersion=version, enableSimpleResponses=False)
    assert (await site.status("/a"), await site.status("/b")) == (200, 403)


@pytest.mark.parametrize(
    ("version", "simple", "result", "expected"),
    [
        pytest.param("2.0", True, {"isAuthorized": True, "context": CONTEXT}, {"lambda": CONTEXT}, id="2.0"),
        pytest.param(
            "1.0",
            False,
            policy(context=CONTEXT),
            {
                "principalId": "somebody",
                "name": "n",
                "level": "7",
                "ratio": "1.5",
                "admin": "true",
                "tags": '["a",1]',
                "at": '{"x":1}',
            },
            id="1.0",
        ),
    ],
)
async def test_context_in_events(
    site: Site, client: Client, version: str, simple: bool, result: Any, expected: dict[str, Any]
):
    """Row lambda: types preserved (numbers, booleans, nested objects), in 2.0; text in 1.0."""
    site.answers(returns(result))
    site.answers(returns({"statusCode": 200}), "handle")
    site.gateway.deploy(guarded(function(version), payloadFormatVersion=version, enableSimpleResponses=simple))
    assert await site.status() == 200
    section = site.lambdas.calls[-1].event["requestContext"]["authorizer"]
    section.pop("integrationLatency", None)
    assert section == expected


MAPPED = [
    pytest.param("$context.authorizer.name", "n", id="text"),
    pytest.param("$context.authorizer.level", "7", id="a number"),
    pytest.param("$context.authorizer.admin", "true", id="a boolean"),
    pytest.param("$context.authorizer.tags", '["a",1]', id="a list"),
    pytest.param("${context.authorizer.name}/${context.authorizer.level}", "n/7", id="in braces"),
    pytest.param("$context.authorizer.nothing", None, id="what is not there"),
]


@pytest.mark.parametrize(("value", "sent"), MAPPED)
async def test_context_in_parameter_mapping(site: Site, value: str, sent: str | None):
    """`$context.authorizer.KEY` as text, in requests and in responses."""
    site.answers(returns({"isAuthorized": True, "context": CONTEXT}))
    integration = proxy(
        site.backend.url,
        requestParameters={"append:header.out": value},
        responseParameters={"200": {"append:header.back": value}},
    )
    site.gateway.deploy(guarded(integration, enableSimpleResponses=True))
    answer = await site.ask()
    assert (site.backend.requests[-1].header("out"), answer.header("back")) == (sent, sent)


LINE = "|".join(
    f"$context.{name}" for name in ("status", "authorizer.level", "authorizer.principalId", "authorizer.error")
)


@pytest.mark.parametrize(
    ("function", "line"),
    [
        pytest.param(returns(policy(context=CONTEXT)), "200|7|somebody|-", id="authorizer.X, authorizer.principalId"),
        pytest.param(raises("Error", "no"), "500|-|-|AUTHORIZER_FAILURE", id="authorizer.error"),
    ],
)
async def test_context_in_access_logs(
    make_gateway: MakeGateway, lambdas: LambdaEndpoint, backend: Backend, tmp_path: Path, function: Function, line: str
):
    """Access log variables: authorizer.{X, principalId, error}."""
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    lambdas.functions["auth"] = function
    stages = {"$default": {"accessLog": LINE + "|$context.requestId"}}
    gateway.deploy(guarded(proxy(backend.url), stages=stages))
    async with new_session() as session:
        answer = await Client(session, gateway).ask("/a", headers=TOKEN)
    await gateway.stop()
    assert (tmp_path / "access.log").read_text() == f"{line}|{answer.header('apigw-requestid')}\n"


# ---- cases

CASES = [
    pytest.param(True, returns({"isAuthorized": False}), 403, FORBIDDEN, id="isAuthorized false"),
    pytest.param(False, returns(policy("Deny")), 403, FORBIDDEN, id="policy deny"),
    pytest.param(False, returns(policy(resource="arn:aws:s3:::b")), 403, FORBIDDEN, id="policy: no match"),
    pytest.param(True, None, 500, FAILED, id="function cannot be invoked"),
    pytest.param(True, raises("Error", "no"), 500, FAILED, id="error"),
    pytest.param(True, raises("Sandbox.Timedout", "Task timed out"), 500, FAILED, id="timeout of the function"),
    pytest.param(True, returns("yes"), 500, FAILED, id="invalid output"),
    pytest.param(False, raises("Exception", "Unauthorized"), 401, UNAUTHORIZED, id="raises Unauthorized (unconfirmed)"),
]


@pytest.mark.parametrize(("simple", "function", "status", "body"), CASES)
async def test_each_case(site: Site, simple: bool, function: Function | None, status: int, body: bytes):
    """The answer, as all errors of an HTTP API are: with apigw-requestid, and no backend is called."""
    site.answers(function) if function else site.lambdas.functions.clear()
    site.deploy(enableSimpleResponses=simple)
    answer = await site.ask()
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("content-type") == "application/json"
    assert answer.header("apigw-requestid")
    assert answer.header("x-amzn-errortype") is None
    assert site.backend.requests == []


def test_a_function_has_10_seconds():
    """Case: timeout (10 s)."""
    assert guarded(proxy("http://h")).authorizers["who"].timeout_ms == 10_000


# ---- what is kept


async def test_results_are_shared_over_routes(site: Site):
    """Caching: key = identity source values, shared over routes."""
    site.deploy(resultTtlInSeconds=60)
    assert [await site.status(path) for path in ("/a", "/b", "/a")] == [200] * 3
    assert site.calls == 1
    assert await site.status(headers={"X-Token": "another"}) == 200
    assert site.calls == 2


async def test_results_by_route(site: Site):
    """Caching: add `$context.routeKey` to the identity sources for per-route results."""
    site.deploy(resultTtlInSeconds=60, identitySource=["$request.header.X-Token", "$context.routeKey"])
    assert [await site.status(path) for path in ("/a", "/b", "/a")] == [200] * 3
    assert site.calls == 2


async def test_results_are_kept_by_authorizer(site: Site):
    """Caching: per authorizer: what one said is no result of the other."""
    site.answers(returns({"isAuthorized": False}), "other")
    other = {"type": "REQUEST", "uri": "lambda:other", "identitySource": "$request.header.X-Token"}
    other |= {"resultTtlInSeconds": 60, "enableSimpleResponses": True}
    one = document(
        proxy(site.backend.url), resultTtlInSeconds=60, enableSimpleResponses=True, authorizers={"other": other}
    )
    one["routes"]["GET /b"]["authorizer"] = "other"
    site.gateway.deploy(freeze(parse(json.dumps({"apis": {"web": one}}).encode(), "web.yaml", {}).documents[0]))
    for _ in range(2):
        assert (await site.status("/a"), await site.status("/b")) == (200, 403)
    assert site.calls == 2


async def flush(gateway: TestGateway, stage: str) -> int:
    url = f"{gateway.control}/v2/apis/web/stages/{stage}/cache/authorizers"
    async with aiohttp.ClientSession() as session, session.delete(url) as answer:
        return answer.status


async def test_results_are_kept_by_stage(site: Site):
    """Caching: per stage; ResetAuthorizersCache clears a stage, and no other."""
    site.deploy(resultTtlInSeconds=60, stages={"one": None, "two": None})
    for path in ("/one/a", "/two/a") * 2:
        assert await site.status(path) == 200
    assert site.calls == 2
    assert await flush(site.gateway, "one") == 204
    await site.status("/two/a")
    assert site.calls == 2
    await site.status("/one/a")
    assert site.calls == 3
