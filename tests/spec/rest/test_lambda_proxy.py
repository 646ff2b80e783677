"""Lambda proxy integrations (AWS_PROXY): the event of payload format 1.0, and what a function may answer.

Source: developer guide, "Lambda proxy integrations in API Gateway"; recorded on the service.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint, answers, raises, refuses, returns
from tests.harness.rest_api import ask, method, rest_api
from wsgw.definitions.api import Stage

INTERNAL = {"message": "Internal server error"}
CONTEXT = {
    "accountId", "apiId", "deploymentId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod", "identity",
    "path", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourceId", "resourcePath", "stage",
}  # fmt: skip
IDENTITY = {
    "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
    "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "sourceIp", "user", "userAgent", "userArn",
}  # fmt: skip


@pytest.fixture
def proxied(gateway: TestGateway, functions: LambdaEndpoint) -> TestGateway:
    """A function `f` behind `ANY /{proxy+}`, which answers 200 and nothing."""
    functions.functions["f"] = returns({})
    stage = Stage(name="dev", variables={"tier": "gold"})
    gateway.deploy(rest_api(method("ANY /{proxy+}", "AWS_PROXY", "f"), stage=stage))
    return gateway


EVENT = [
    pytest.param("resource", "/{proxy+}", id="resource"),
    pytest.param("path", "/a/b%20c/", id="path: no stage, trailing slash and encoding kept"),
    pytest.param("httpMethod", "PATCH", id="httpMethod"),
    pytest.param("queryStringParameters", {"q": "2", "e": ""}, id="queryStringParameters: the last value"),
    pytest.param("multiValueQueryStringParameters", {"q": ["1 1", "2"], "e": [""]}, id="all values of the query"),
    pytest.param("pathParameters", {"proxy": "a/b%20c"}, id="pathParameters"),
    pytest.param("stageVariables", {"tier": "gold"}, id="stageVariables"),
    pytest.param("body", "text", id="body"),
    pytest.param("isBase64Encoded", False, id="isBase64Encoded"),
]


@pytest.mark.parametrize(("member", "value"), EVENT)
async def test_a_member_of_the_event(proxied: TestGateway, functions: LambdaEndpoint, member: str, value: Any):
    await ask(proxied, "PATCH", "/a/b%20c/?q=1+1&q=2&e", body=b"text")
    assert functions.calls[0].event[member] == value


async def test_headers_are_the_last_values_and_all_of_them(proxied: TestGateway, functions: LambdaEndpoint):
    lines = ["x-own: 1", "x-own: 2", "authorization: a", "user-agent: u", "Content-MD5: x", "TE: trailers"]
    await ask(proxied, "GET", "/a", *lines)
    event = functions.calls[0].event
    headers = event["headers"]
    assert (headers["x-own"], event["multiValueHeaders"]["x-own"]) == ("2", ["1", "2"])
    assert (headers["Authorization"], headers["User-Agent"]) == ("a", "u")
    assert headers["Host"] == "gateway.example"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Forwarded-Port"] == proxied.url.rpartition(":")[2]
    assert headers["X-Amzn-Trace-Id"].startswith("Root=1-")
    dropped = {"Content-Length", "Connection", "Content-MD5", "TE"} & set(headers)
    assert dropped == set()
    assert set(event["multiValueHeaders"]) == set(headers)


async def test_what_is_not_there_is_null(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = returns({})
    gateway.deploy(rest_api(method("GET /", "AWS_PROXY", "f")))
    await ask(gateway, "GET", "/")
    event = functions.calls[0].event
    nothing = {name for name, value in event.items() if value is None}
    assert nothing == {
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    }


async def test_the_request_context(proxied: TestGateway, functions: LambdaEndpoint):
    response = await ask(proxied, "GET", "/a//b", "User-Agent: agent/1")
    context = functions.calls[0].event["requestContext"]
    assert set(context) == CONTEXT
    assert set(context["identity"]) == IDENTITY
    assert {name: value for name, value in context["identity"].items() if value is not None} == {
        "sourceIp": "127.0.0.1",
        "userAgent": "agent/1",
    }
    assert (context["path"], context["resourcePath"], context["stage"]) == ("/dev/a//b", "/{proxy+}", "dev")
    assert (context["apiId"], context["httpMethod"], context["protocol"]) == ("pets", "GET", "HTTP/1.1")
    assert context["requestId"] == response.header("x-amzn-requestid")
    assert context["extendedRequestId"] == response.header("x-amz-apigw-id")
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", context["requestTime"])
    assert isinstance(context["requestTimeEpoch"], int)


async def test_mappings_are_ignored(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = returns({})
    parameters = {"integration.request.header.X-Mapped": "'1'", "integration.request.querystring.q": "'1'"}
    gateway.deploy(rest_api(method("GET /", "AWS_PROXY", "f", request_parameters=parameters)))
    await ask(gateway, "GET", "/")
    event = functions.calls[0].event
    assert "X-Mapped" not in event["headers"]
    assert event["queryStringParameters"] is None


@pytest.mark.parametrize(("verb", "status"), [("POST", 200), ("GET", 500)])
async def test_a_function_is_called_with_post(gateway: TestGateway, functions: LambdaEndpoint, verb: str, status: int):
    """Recorded: an integrationHttpMethod of GET is 500, and no INTEGRATION_FAILURE's 504."""
    functions.functions["f"] = returns({})
    gateway.deploy(rest_api(method("GET /", "AWS_PROXY", "f", method=verb)))
    assert (await ask(gateway, "GET", "/")).status == status


# ---- answers


async def answered(gateway: TestGateway, functions: LambdaEndpoint, result: Any) -> tuple[int, str]:
    functions.functions["f"] = returns(result)
    response = await ask(gateway, "GET", "/a")
    if response.status == 502:
        assert json.loads(response.body) == INTERNAL
        assert response.header("x-amzn-errortype") == "InternalServerErrorException"
    return response.status, response.body.decode()


RESULTS = [
    pytest.param({}, 200, "", id="{} is 200 and empty"),
    pytest.param({"statusCode": 201, "body": "made"}, 201, "made", id="an integer status"),
    pytest.param({"statusCode": "201"}, 201, "", id="a numeric string"),
    pytest.param({"body": "x"}, 200, "x", id="no status is 200"),
    pytest.param({"headers": None, "body": None}, 200, "", id="headers and body may be null"),
    pytest.param({"statusCode": "two"}, 502, None, id="a status that is no number"),
    pytest.param({"statusCode": 200, "extra": 1}, 502, None, id="an extra key"),
    pytest.param({"multiValueHeaders": {"a": "b"}}, 502, None, id="multiValueHeaders that are no lists"),
    pytest.param({"body": {"a": 1}}, 502, None, id="a body that is an object"),
    pytest.param("text", 502, None, id="a plain string"),
    pytest.param([1], 502, None, id="a list"),
    pytest.param(None, 502, None, id="null (unconfirmed)"),
]


@pytest.mark.parametrize(("result", "status", "body"), RESULTS)
async def test_a_result(proxied: TestGateway, functions: LambdaEndpoint, result: Any, status: int, body: str | None):
    given = await answered(proxied, functions, result)
    assert given[0] == status
    assert body is None or given[1] == body


HEADERS = [
    pytest.param({"headers": {"X-A": True}}, ["true"], id="a boolean is text"),
    pytest.param({"headers": {"X-A": 5}}, ["5"], id="a number is text"),
    pytest.param({"multiValueHeaders": {"X-A": ["1", "2"]}}, ["1", "2"], id="several values"),
    pytest.param(
        {"headers": {"x-a": "solo"}, "multiValueHeaders": {"X-A": ["multi"]}},
        ["multi", "solo"],
        id="of both, the values of multiValueHeaders first",
    ),
]


@pytest.mark.parametrize(("result", "values"), HEADERS)
async def test_headers_of_a_result(proxied: TestGateway, functions: LambdaEndpoint, result: Any, values: list[str]):
    functions.functions["f"] = returns(result)
    response = await ask(proxied, "GET", "/a")
    given = [value for name, value in response.headers if name == "x-a"]
    assert [one.strip() for value in given for one in value.split(",")] == values


async def test_the_default_content_type_is_json(proxied: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = returns({"body": "x"})
    assert (await ask(proxied, "GET", "/a")).header("content-type") == "application/json"


FAILURES = [
    pytest.param(raises("ValueError"), 502, id="an unhandled exception"),
    pytest.param(raises("Sandbox.Timedout", "Task timed out after 3.00 seconds"), 502, id="the function's timeout"),
    pytest.param(refuses(403, "AccessDeniedException"), 500, id="no permission to call it"),
    pytest.param(refuses(429, "TooManyRequestsException"), 500, id="throttled (unconfirmed)"),
    pytest.param(refuses(404, "ResourceNotFoundException"), 500, id="not there"),
    pytest.param(answers(200, b"no JSON"), 502, id="a result that is no JSON"),
]


@pytest.mark.parametrize(("function", "status"), FAILURES)
async def test_a_function_that_fails(proxied: TestGateway, functions: LambdaEndpoint, function: Any, status: int):
    functions.functions["f"] = function
    response = await ask(proxied, "GET", "/a")
    assert (response.status, json.loads(response.body)) == (status, INTERNAL)
    assert response.header("x-amzn-errortype") == "InternalServerErrorException"
