"""What an authorizer is told, by the kind of API and the payload format.

Source: developer guide, "Input to an API Gateway Lambda authorizer", "Control access to HTTP APIs with AWS Lambda
authorizers" and "Control access to WebSocket APIs with AWS Lambda REQUEST authorizers"; recorded on the service.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.authorizers import authorizer, call, guarded, hello, policy
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from wsgw.definitions.api import Protocol, Stage
from wsgw.definitions.authorizer import Authorizer

TOKEN = "X-Token: t"
ARN = "arn:aws:execute-api:us-east-1:000000000000:pets/dev"
TIERED = Stage(name="dev", variables={"tier": "gold"})


async def told(
    gateway: TestGateway,
    functions: LambdaEndpoint,
    protocol: Protocol,
    one: Authorizer,
    *keys: str,
    stage: Stage | None = None,
    lines: tuple[str, ...] = (TOKEN,),
    **request: Any,
) -> dict[str, Any]:
    """The event of one call."""
    functions.functions["auth"] = returns(policy())
    gateway.deploy(guarded(one, protocol, *keys, stage=stage), handlers={"hello": hello})
    await call(gateway, protocol, *lines, **request)
    event: dict[str, Any] = functions.calls[-1].event
    return event


# ---- REST


async def test_a_token_authorizer_is_told_the_token_and_what_for(gateway: TestGateway, functions: LambdaEndpoint):
    """The whole event of TOKEN."""
    one = authorizer("REST", type="TOKEN", identity_sources=("method.request.header.Authorization",))
    event = await told(gateway, functions, "REST", one, lines=("Authorization: Bearer abc",))
    assert event == {"type": "TOKEN", "methodArn": f"{ARN}/GET/a", "authorizationToken": "Bearer abc"}


async def test_the_arn_has_the_path_that_was_asked_for_as_it_is_matched(
    gateway: TestGateway, functions: LambdaEndpoint
):
    """S-53: one path for matching, authorization and what is behind."""
    one = authorizer("REST")
    event = await told(gateway, functions, "REST", one, "ANY /{proxy+}", path="/%61/b%2fc/%7Ed/", verb="DELETE")
    assert event["methodArn"] == f"{ARN}/DELETE{event['path']}"
    assert event["path"] == "/a/b%2fc/~d/"


REST_EVENT = [
    pytest.param("type", "REQUEST", id="type"),
    pytest.param("methodArn", f"{ARN}/GET/a/1", id="methodArn"),
    pytest.param("resource", "/a/{id}", id="resource"),
    pytest.param("path", "/a/1", id="path"),
    pytest.param("httpMethod", "GET", id="httpMethod"),
    pytest.param("queryStringParameters", {"q": "2"}, id="queryStringParameters"),
    pytest.param("multiValueQueryStringParameters", {"q": ["1", "2"]}, id="multiValueQueryStringParameters"),
    pytest.param("pathParameters", {"id": "1"}, id="pathParameters"),
    pytest.param("stageVariables", {"tier": "gold"}, id="stageVariables"),
]


@pytest.mark.parametrize(("member", "value"), REST_EVENT)
async def test_a_member_of_the_event_of_a_rest_api(
    gateway: TestGateway, functions: LambdaEndpoint, member: str, value: Any
):
    """Row: REQUEST."""
    request = {"path": "/a/1", "query": "?q=1&q=2", "stage": TIERED}
    event = await told(gateway, functions, "REST", authorizer("REST"), "GET /a/{id}", **request)
    assert event[member] == value


async def test_the_event_of_a_rest_api_has_headers_and_context_and_no_body(
    gateway: TestGateway, functions: LambdaEndpoint
):
    event = await told(gateway, functions, "REST", authorizer("REST"), lines=(TOKEN, "x-own: 1", "x-own: 2"))
    assert set(event) == {
        "type", "methodArn", "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext",
    }  # fmt: skip
    assert event["headers"]["x-own"] == "2"
    assert event["multiValueHeaders"]["x-own"] == ["1", "2"]
    context = event["requestContext"]
    assert (context["resourcePath"], context["httpMethod"], context["stage"]) == ("/a", "GET", "dev")
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert "authorizer" not in context
    nothing = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables")
    assert [event[name] for name in nothing] == [{}, {}, {}, {}]


# ---- HTTP


HTTP_2_0 = [
    pytest.param("version", "2.0", id="version"),
    pytest.param("type", "REQUEST", id="type"),
    pytest.param("routeArn", f"{ARN}/GET/a/1", id="ARN"),
    pytest.param("identitySource", ["t", "2"], id="identitySource: list of values"),
    pytest.param("routeKey", "GET /a/{id}", id="routeKey"),
    pytest.param("rawPath", "/dev/a/1", id="rawPath"),
    pytest.param("rawQueryString", "q=2", id="rawQueryString"),
    pytest.param("cookies", ["a=1", "b=2"], id="cookies"),
    pytest.param("queryStringParameters", {"q": "2"}, id="queryStringParameters"),
    pytest.param("pathParameters", {"id": "1"}, id="pathParameters"),
    pytest.param("stageVariables", {"tier": "gold"}, id="stageVariables"),
]
HTTP_1_0 = [
    pytest.param("version", "1.0", id="version"),
    pytest.param("type", "REQUEST", id="type"),
    pytest.param("methodArn", f"{ARN}/GET/a/1", id="ARN"),
    pytest.param("identitySource", "t,2", id="identitySource: comma-joined"),
    pytest.param("authorizationToken", "t,2", id="authorizationToken"),
    pytest.param("resource", "/a/{id}", id="resource"),
    pytest.param("path", "/a/1", id="path"),
    pytest.param("httpMethod", "GET", id="httpMethod"),
    pytest.param("queryStringParameters", {"q": "2"}, id="queryStringParameters"),
    pytest.param("pathParameters", {"id": "1"}, id="pathParameters"),
    pytest.param("stageVariables", {"tier": "gold"}, id="stageVariables"),
]
SOURCES = ("$request.header.X-Token", "$request.querystring.q")


async def told_of_http(gateway: TestGateway, functions: LambdaEndpoint, version: Any, key: str = "") -> Any:
    one = authorizer("HTTP", payload_format_version=version, identity_sources=SOURCES)
    request = {"path": "/a/1", "query": "?q=2", "stage": TIERED, "lines": (TOKEN, "Cookie: a=1; b=2")}
    return await told(gateway, functions, "HTTP", one, key or "GET /a/{id}", **request)


@pytest.mark.parametrize(("member", "value"), HTTP_2_0)
async def test_a_member_of_payload_format_2_0(gateway: TestGateway, functions: LambdaEndpoint, member: str, value: Any):
    assert (await told_of_http(gateway, functions, "2.0"))[member] == value


@pytest.mark.parametrize(("member", "value"), HTTP_1_0)
async def test_a_member_of_payload_format_1_0(gateway: TestGateway, functions: LambdaEndpoint, member: str, value: Any):
    assert (await told_of_http(gateway, functions, "1.0"))[member] == value


async def test_payload_format_2_0_has_headers_and_context_and_no_body(gateway: TestGateway, functions: LambdaEndpoint):
    event = await told_of_http(gateway, functions, "2.0")
    assert event["headers"]["x-token"] == "t"
    assert event["requestContext"]["http"]["path"] == "/dev/a/1"
    assert "authorizer" not in event["requestContext"]
    assert {"body", "isBase64Encoded"}.isdisjoint(event)


async def test_payload_format_1_0_has_headers_and_context_and_no_body(gateway: TestGateway, functions: LambdaEndpoint):
    event = await told_of_http(gateway, functions, "1.0")
    assert set(event) == {
        "version", "type", "methodArn", "identitySource", "authorizationToken", "resource", "path", "httpMethod",
        "headers", "queryStringParameters", "pathParameters", "stageVariables", "requestContext",
    }  # fmt: skip
    assert event["headers"]["X-Token"] == "t"
    assert "authorizer" not in event["requestContext"]


@pytest.mark.parametrize(("version", "name"), [("1.0", "methodArn"), ("2.0", "routeArn")])
async def test_the_arn_of_the_default_route_names_it(
    gateway: TestGateway, functions: LambdaEndpoint, version: str, name: str
):
    event = await told_of_http(gateway, functions, version, "$default")
    assert event[name] == f"{ARN}/$default"


# ---- WebSocket


async def test_the_event_of_a_handshake(gateway: TestGateway, functions: LambdaEndpoint):
    """Column: REQUEST authorizer."""
    event = await told(
        gateway, functions, "WEBSOCKET", authorizer("WEBSOCKET"), stage=TIERED, query="?room=first&room=last"
    )
    assert set(event) == {
        "type", "methodArn", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "stageVariables", "requestContext",
    }  # fmt: skip
    assert (event["type"], event["methodArn"]) == ("REQUEST", f"{ARN}/$connect")
    assert event["headers"]["X-Token"] == "t"
    # Connection and Upgrade are present, which integrations are not shown.
    assert {"connection", "upgrade", "sec-websocket-key", "x-forwarded-for"} <= {
        name.lower() for name in event["headers"]
    }
    assert event["queryStringParameters"] == {"room": "last"}
    assert event["multiValueQueryStringParameters"] == {"room": ["first", "last"]}
    assert event["stageVariables"] == {"tier": "gold"}
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"], context["messageDirection"]) == ("$connect", "CONNECT", "IN")
    assert context["connectionId"] == gateway.connections[0].id
    assert "authorizer" not in context


async def test_a_handshake_without_query_and_variables_has_them_empty(gateway: TestGateway, functions: LambdaEndpoint):
    """Rows: queryStringParameters, stageVariables: always, `{}` if none."""
    event = await told(gateway, functions, "WEBSOCKET", authorizer("WEBSOCKET"))
    names = ("queryStringParameters", "multiValueQueryStringParameters", "stageVariables")
    assert [event[name] for name in names] == [{}, {}, {}]


# ---- what is called


async def test_the_uri_may_have_stage_variables(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["gold-auth"] = returns(policy())
    one = authorizer("REST", "${stageVariables.tier}-auth")
    gateway.deploy(guarded(one, "REST", stage=TIERED))
    assert (await call(gateway, "REST", TOKEN)).status == 200
    assert [each.function for each in functions.calls] == ["gold-auth"]


async def test_a_python_function_gets_the_event_and_a_context(gateway: TestGateway):
    seen: list[Any] = []

    async def authorize(event: Any, context: Any) -> Any:
        seen.append((json.loads(json.dumps(event)), context.aws_request_id, context.get_remaining_time_in_millis()))
        return policy()

    one = authorizer("REST", "authorize", called="PYTHON", type="TOKEN", timeout_ms=5000)
    gateway.deploy(guarded(one, "REST"), handlers={"authorize": authorize})
    answer = await call(gateway, "REST", TOKEN)
    ((event, request_id, left),) = seen
    assert event == {"type": "TOKEN", "methodArn": f"{ARN}/GET/a", "authorizationToken": "t"}
    assert request_id == answer.headers["x-amzn-requestid"]
    assert 0 < left <= 5000
