"""The event of payload format 1.0: a REST API's, and where it differs.

Source: developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, function, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, returns

MEMBERS = {
    "version": "1.0",
    "resource": "/pets/{id}",
    "path": "/pets/a%20b",
    "httpMethod": "POST",
    "queryStringParameters": {"a": "3", "b": "2"},
    "multiValueQueryStringParameters": {"a": ["1", "3"], "b": ["2"]},
    "pathParameters": {"id": "a b"},
    "stageVariables": {"tier": "gold"},
    "body": "text",
    "isBase64Encoded": False,
}
CONTEXT = {
    "resourceId": None,
    "authorizer": {"claims": None, "scopes": None},
    "resourcePath": "/pets/{id}",
    "path": "/prod/pets/a%20b",
    "apiId": "web",
    "accountId": "000000000000",
    "stage": "prod",
    "httpMethod": "POST",
    "protocol": "HTTP/1.1",
    "domainPrefix": "web",
}
IDENTITY = {
    "sourceIp": "127.0.0.1",
    "userAgent": "agent/1",
    "accessKey": None,
    "accountId": None,
    "caller": None,
    "cognitoAuthenticationProvider": None,
    "cognitoAuthenticationType": None,
    "cognitoIdentityId": None,
    "cognitoIdentityPoolId": None,
    "principalOrgId": None,
    "user": None,
    "userArn": None,
}


NULLS = ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body"]


@pytest.fixture
def lanes() -> bool:
    """Functions are told the same behind either door."""
    return True


@pytest.fixture
async def event(gateway: TestGateway, client: Client, lambdas: LambdaEndpoint) -> dict[str, Any]:
    stages = {"prod": {"variables": {"tier": "gold"}}}
    gateway.deploy(web_api({"POST /pets/{id}": function("1.0")}, stages=stages))
    lambdas.functions["handle"] = returns({"statusCode": 200})
    headers = [("header1", "x"), ("X-MANY", "a"), ("X-MANY", "b"), ("User-Agent", "agent/1")]
    content_type = ("content-type", "text/plain")
    answer = await client.ask("/prod/pets/a%20b?a=1&b=2&a=3", "POST", [*headers, content_type], b"text")
    assert answer.status == 200
    found: dict[str, Any] = lambdas.calls[0].event
    return found


def test_each_member(event: dict[str, Any]):
    assert {member: event[member] for member in MEMBERS} == MEMBERS


def test_each_member_of_the_request_context(event: dict[str, Any]):
    assert {member: event["requestContext"][member] for member in CONTEXT} == CONTEXT


def test_each_member_of_the_identity(event: dict[str, Any]):
    identity = event["requestContext"]["identity"]
    assert {member: identity[member] for member in IDENTITY} == IDENTITY


def test_header_names_begin_with_capitals(event: dict[str, Any]):
    """Members headers and multiValueHeaders."""
    assert (event["headers"]["Header1"], event["headers"]["X-Many"]) == ("x", "b")
    assert event["multiValueHeaders"]["X-Many"] == ["a", "b"]
    assert not {"header1", "x-many", "X-MANY"} & event["headers"].keys()


def test_both_ids_are_one(event: dict[str, Any]):
    """extendedRequestId has the form of requestId, which ends with `=`."""
    context = event["requestContext"]
    assert context["extendedRequestId"] == context["requestId"]
    assert context["requestId"].endswith("=")


async def test_what_there_is_none_of_is_null(gateway: TestGateway, client: Client, lambdas: LambdaEndpoint):
    gateway.deploy(web_api({"GET /": function("1.0")}))
    lambdas.functions["handle"] = returns({"statusCode": 200})
    await client.ask("/")
    event = lambdas.calls[0].event
    assert [event[member] for member in NULLS] == [None] * len(NULLS)
    assert event["isBase64Encoded"] is False


async def test_the_default_route_is_a_resource_of_its_own(
    gateway: TestGateway, client: Client, lambdas: LambdaEndpoint
):
    """`resource` for `$default` (unconfirmed)."""
    gateway.deploy(web_api({"$default": function("1.0")}))
    lambdas.functions["handle"] = returns({"statusCode": 200})
    await client.ask("/x/y")
    event = lambdas.calls[0].event
    assert event["resource"] == event["requestContext"]["resourcePath"] == "/$default"
    assert event["path"] == "/x/y"
