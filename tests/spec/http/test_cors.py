"""corsConfiguration: what preflights and other requests of pages are answered.

Source: developer guide, "Configuring CORS for HTTP APIs".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, function, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, raises
from wsgw.definitions.check import check
from wsgw.definitions.freeze import freeze

PAGE = "https://www.example.com"
OTHER = "https://other.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "a"}
NOT_FOUND = b'{"message":"Not Found"}'

MEMBERS = [
    pytest.param({}, "allow-origin", PAGE, PAGE, id="allowOrigins"),
    pytest.param({"allowCredentials": True}, "allow-credentials", "true", "true", id="allowCredentials"),
    pytest.param({"allowCredentials": False}, "allow-credentials", None, None, id="allowCredentials false"),
    pytest.param({"exposeHeaders": ["x-a", "x-b"]}, "expose-headers", None, "x-a,x-b", id="exposeHeaders"),
    pytest.param({"maxAge": 300}, "max-age", "300", None, id="maxAge"),
    pytest.param({"maxAge": 0}, "max-age", "0", None, id="maxAge 0"),
    pytest.param({"maxAge": -1}, "max-age", "-1", None, id="maxAge -1"),
    pytest.param({"allowMethods": ["GET", "PUT"]}, "allow-methods", "GET,PUT", None, id="allowMethods"),
    pytest.param({"allowMethods": ["*"]}, "allow-methods", "*", None, id="allowMethods *"),
    pytest.param({"allowHeaders": ["a", "b"]}, "allow-headers", "a,b", None, id="allowHeaders"),
    pytest.param({"allowHeaders": ["*"]}, "allow-headers", "*", None, id="allowHeaders *"),
]


def configured(gateway: TestGateway, backend: Backend, key: str = "GET /pets", **members: Any) -> None:
    gateway.deploy(web_api({key: proxy(backend.url)}, cors={"allowOrigins": [PAGE], **members}))


@pytest.mark.parametrize(("members", "name", "of_preflight", "of_answer"), MEMBERS)
async def test_each_member_is_a_header(
    gateway: TestGateway,
    backend: Backend,
    client: Client,
    members: dict[str, Any],
    name: str,
    of_preflight: str | None,
    of_answer: str | None,
):
    configured(gateway, backend, **members)
    preflight = await client.ask("/pets", "OPTIONS", PREFLIGHT)
    assert preflight.header(f"access-control-{name}") == of_preflight
    answer = await client.ask("/pets", headers={"Origin": PAGE})
    assert answer.header(f"access-control-{name}") == of_answer


ORIGINS = [
    pytest.param(["*"], PAGE, "*", id="* for *"),
    pytest.param([OTHER, PAGE], PAGE, PAGE, id="the single matching origin of a list"),
    pytest.param(["http://h:8080"], "http://h:8080", "http://h:8080", id="scheme://host:port"),
    pytest.param(["https://*"], PAGE, PAGE, id="https://* the request's origin (unconfirmed)"),
    pytest.param(["http://*"], "http://a", "http://a", id="http://*"),
    pytest.param(["https://*"], "http://a", None, id="https://* another scheme"),
    pytest.param([OTHER], PAGE, None, id="not allowed"),
    pytest.param([PAGE], PAGE + ".evil.example", None, id="not a prefix"),
    pytest.param([PAGE], PAGE + ":8443", None, id="another port"),
    pytest.param([PAGE], "null", None, id="null"),
]


@pytest.mark.parametrize(("origins", "origin", "allowed"), ORIGINS)
async def test_each_origin(
    gateway: TestGateway, backend: Backend, client: Client, origins: list[str], origin: str, allowed: str | None
):
    """Rows Origin echo and Origin not allowed: the request is served all the same."""
    backend.on("/", 200, "pets")
    configured(gateway, backend, allowOrigins=origins)
    answer = await client.ask("/pets", headers={"Origin": origin})
    assert (answer.status, answer.body) == (200, b"pets")
    assert answer.all("access-control-allow-origin") == ([] if allowed is None else [allowed])
    preflight = await client.ask("/pets", "OPTIONS", {**PREFLIGHT, "Origin": origin})
    assert preflight.all("access-control-allow-origin") == ([] if allowed is None else [allowed])


@pytest.mark.parametrize("path", ["/pets", "/nowhere", "/", "/pets/1"])
@pytest.mark.parametrize("key", ["GET /pets", "OPTIONS /pets", "$default"])
async def test_a_preflight_is_answered_for_any_path(
    gateway: TestGateway, backend: Backend, client: Client, key: str, path: str
):
    """Row Preflight: 204, empty body, no backend called, with or without a route for it."""
    configured(gateway, backend, key)
    answer = await client.ask(path, "OPTIONS", PREFLIGHT)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("apigw-requestid")
    assert backend.requests == []


@pytest.mark.parametrize("missing", ["Origin", "Access-Control-Request-Method"])
async def test_options_that_lack_a_header_take_a_route(
    gateway: TestGateway, backend: Backend, client: Client, missing: str
):
    """Row Not a preflight."""
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    configured(gateway, backend, "OPTIONS /pets")
    assert (await client.ask("/pets", "OPTIONS", headers)).status == 200
    assert len(backend.requests) == 1
    assert (await client.ask("/nowhere", "OPTIONS", headers)).body == NOT_FOUND


@pytest.mark.parametrize("headers", [{}, {"Origin": OTHER}], ids=["no Origin", "another Origin"])
async def test_headers_are_added_only_where_the_origin_matches(
    gateway: TestGateway, backend: Backend, client: Client, headers: dict[str, str]
):
    """Row Actual request."""
    configured(gateway, backend, allowCredentials=True, exposeHeaders=["a"])
    answer = await client.ask("/pets", headers=headers)
    assert [name for name, _ in answer.headers if name.startswith("access-control-")] == []


@pytest.mark.parametrize("with_cors", [True, False], ids=["ignored when configured", "passed through when not"])
async def test_a_backends_own_headers(gateway: TestGateway, backend: Backend, client: Client, with_cors: bool):
    """Row Backend CORS headers."""
    backend.on("/", 200, "", {"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "9"})
    cors = {"cors": {"allowOrigins": [PAGE]}} if with_cors else {}
    gateway.deploy(web_api({"GET /pets": proxy(backend.url)}, **cors))
    answer = await client.ask("/pets", headers={"Origin": PAGE})
    assert answer.all("access-control-allow-origin") == [PAGE if with_cors else "*"]
    assert answer.all("access-control-max-age") == ([] if with_cors else ["9"])


async def test_without_cors_options_reach_the_default_route(gateway: TestGateway, backend: Backend, client: Client):
    gateway.deploy(web_api({"$default": proxy(backend.url)}))
    assert (await client.ask("/pets", "OPTIONS", PREFLIGHT)).status == 200
    assert [got.method for got in backend.requests] == ["OPTIONS"]


async def test_errors_of_the_gateway_carry_them(gateway: TestGateway, client: Client, lambdas: LambdaEndpoint):
    """Row Errors (unconfirmed): 404, 500, 503, 413, 400."""
    routes = {
        "GET /fails": function(),
        "GET /away": proxy("http://127.0.0.1:9/"),
        "POST /large": proxy("http://127.0.0.1:9/"),
    }
    stages = {"$default": {"limits": {"payloadBytes": 100}}}
    gateway.deploy(web_api(routes, cors={"allowOrigins": [PAGE]}, stages=stages))
    lambdas.functions["handle"] = raises("ValueError")
    asked = [("/none", "GET", None), ("/fails", "GET", None), ("/away", "GET", None), ("/large", "POST", b"x" * 101)]
    answers = [await client.ask(path, verb, {"Origin": PAGE}, body) for path, verb, body in asked]
    assert [answer.status for answer in answers] == [404, 500, 503, 413]
    assert [answer.header("access-control-allow-origin") for answer in answers] == [PAGE] * 4


GUARDS = [
    pytest.param({"authorizationType": "AWS_IAM"}, 403, id="AWS_IAM: 403"),
    pytest.param({"authorizer": "who"}, 401, id="an authorizer: 401"),
    pytest.param({"throttle": {"rateLimit": 1, "burstLimit": 0}}, 429, id="a throttle: 429"),
]


@pytest.mark.parametrize("key", ["GET /pets", "$default"])
@pytest.mark.parametrize(("guard", "status"), GUARDS)
async def test_what_guards_a_route_is_behind_preflights(
    gateway: TestGateway, backend: Backend, client: Client, key: str, guard: dict[str, Any], status: int
):
    """Rows Preflight (without authorization), `$default` route with authorizer, Errors (unconfirmed)."""
    who = {"type": "REQUEST", "uri": "lambda:auth", "identitySource": "$request.header.X-Token"}
    stage = {"throttle": guard["throttle"]} if "throttle" in guard else None
    route = {**proxy(backend.url), **({} if stage else guard)}
    cors = {"allowOrigins": [PAGE], "allowMethods": ["GET"]}
    gateway.deploy(web_api({key: route}, cors=cors, authorizers={"who": who}, stages={"$default": stage}))
    assert (await client.ask("/pets", "OPTIONS", PREFLIGHT)).status == 204
    answer = await client.ask("/pets", headers={"Origin": PAGE})
    assert (answer.status, answer.header("access-control-allow-origin")) == (status, PAGE)
    assert backend.requests == []


CONSTRAINTS = [
    pytest.param({"allowOrigins": ["*"], "allowCredentials": True}, False, id="credentials not with * (unconfirmed)"),
    pytest.param({"allowOrigins": ["https://*"], "allowCredentials": True}, True, id="credentials with https://*"),
    pytest.param({"maxAge": -1}, True, id="maxAge -1"),
    pytest.param({"maxAge": -2}, False, id="maxAge -2"),
    pytest.param({"maxAge": 86_400}, True, id="maxAge 86,400"),
    pytest.param({"maxAge": 86_401}, False, id="maxAge 86,401"),
    pytest.param({"allowOrigins": ["www.example.com"]}, False, id="origin without a scheme"),
    pytest.param({"allowOrigins": ["https://*.example.com"]}, False, id="origin with a pattern"),
    pytest.param({"allowMethods": ["FETCH"]}, False, id="method that is none"),
]


@pytest.mark.parametrize(("members", "sound"), CONSTRAINTS)
def test_each_constraint(members: dict[str, Any], sound: bool):
    cors = {"allowOrigins": [PAGE], **members}
    document = {"apiId": "web", "name": "web", "protocolType": "HTTP", "corsConfiguration": cors}
    routes = {
        "routes": [{"routeKey": "$default", "target": "integrations/i"}],
        "integrations": [{"integrationId": "i", "integrationType": "HTTP_PROXY", "integrationUri": "http://h"}],
    }
    errors = [finding for finding in check(freeze({**document, **routes})) if finding.severity == "error"]
    assert len(errors) == (0 if sound else 1)
