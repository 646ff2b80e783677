"""The event of payload format 2.0, member by member, as a function behind a real gateway gets it.

Source: developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".
"""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import datetime
from typing import Any

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.http_client import Answer, Client, function, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from wsgw.definitions.api import ApiMapping, DomainName

Asked = tuple[dict[str, Any], Answer]


class Asks:
    """Serves one route to a function, asks for it once, gives the event that the function got and the answer."""

    def __init__(self, gateway: TestGateway, client: Client, lambdas: LambdaEndpoint) -> None:
        self.gateway, self._client, self._lambdas = gateway, client, lambdas

    async def __call__(
        self, target: str = "/pets/1", key: str = "ANY /pets/{id}", stages: Any = None, **request: Any
    ) -> Asked:
        self.gateway.deploy(web_api({key: function()}, stages=stages or {}))
        return await self.again(target, **request)

    async def again(self, target: str, **request: Any) -> Asked:
        self._lambdas.functions["handle"] = returns({})
        answer = await self._client.ask(target, **request)
        return self._lambdas.calls[-1].event, answer


@pytest.fixture
def lanes() -> bool:
    """Functions are told the same behind either door."""
    return True


@pytest.fixture
def asks(gateway: TestGateway, client: Client, lambdas: LambdaEndpoint) -> Asks:
    return Asks(gateway, client, lambdas)


PROD = {"prod": None}
TOP = [
    pytest.param({}, "version", "2.0", id="version"),
    pytest.param({}, "routeKey", "ANY /pets/{id}", id="routeKey"),
    pytest.param({"key": "$default"}, "routeKey", "$default", id="routeKey of the default route"),
    pytest.param({}, "rawPath", "/pets/1", id="rawPath of $default has no stage"),
    pytest.param({"target": "/prod/pets/1", "stages": PROD}, "rawPath", "/prod/pets/1", id="rawPath has the stage"),
    pytest.param({"target": "/a/b/", "key": "$default"}, "rawPath", "/a/b/", id="rawPath keeps a trailing slash"),
    pytest.param({"target": "/pets/a%20b"}, "rawPath", "/pets/a%20b", id="rawPath as received"),
    pytest.param({"target": "/pets/1?b=1&a=%20&b=2"}, "rawQueryString", "b=1&a=%20&b=2", id="rawQueryString"),
    pytest.param({}, "rawQueryString", "", id="rawQueryString without a query"),
    pytest.param(
        {"headers": [("Cookie", "a=1; b=2"), ("Cookie", "c=3")]}, "cookies", ["a=1", "b=2", "c=3"], id="cookies"
    ),
    pytest.param({"target": "/pets/1?a=1&b=2&a=3"}, "queryStringParameters", {"a": "1,3", "b": "2"}, id="query joined"),
    pytest.param({"target": "/pets/a%20b"}, "pathParameters", {"id": "a b"}, id="pathParameters decoded"),
    pytest.param(
        {"target": "/x/a/b/", "key": "GET /x/{proxy+}"}, "pathParameters", {"proxy": "a/b"}, id="greedy has no slash"
    ),
    pytest.param({"stages": {"$default": {"variables": {"a": "1"}}}}, "stageVariables", {"a": "1"}, id="variables"),
    pytest.param({"method": "POST", "data": b"text", "headers": {"Content-Type": "text/plain"}}, "body", "text"),
    pytest.param({"method": "POST"}, "isBase64Encoded", False, id="isBase64Encoded without a body"),
]


@pytest.mark.parametrize(("asked", "member", "value"), TOP)
async def test_each_member(asks: Asks, asked: dict[str, Any], member: str, value: Any):
    event, _ = await asks(**asked)
    assert event[member] == value


@pytest.mark.parametrize("member", ["cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"])
async def test_what_there_is_none_of_is_absent(asks: Asks, member: str):
    event, _ = await asks("/", "$default")
    assert member not in event


async def test_headers_are_lower_case_joined_and_without_cookies(asks: Asks):
    """Row headers."""
    event, _ = await asks(headers=[("X-One", "a"), ("X-One", "b"), ("HEADER", "c"), ("Cookie", "d=1")])
    headers = event["headers"]
    assert (headers["x-one"], headers["header"]) == ("a,b", "c")
    assert "cookie" not in headers
    assert all(name == name.lower() for name in headers)


BODIES = [
    ("text/html", False),
    ("application/json", False),
    ("application/javascript", False),
    ("application/xml", False),
    ("application/vnd.api+json", False),
    ("image/svg+xml", False),
    ("application/octet-stream", True),
    ("image/png", True),
    ("application/x-www-form-urlencoded", True),
]


@pytest.mark.parametrize(("media_type", "encoded"), BODIES, ids=[one for one, _ in BODIES])
async def test_a_payload_is_base64_when_it_is_binary(asks: Asks, media_type: str, encoded: bool):
    """Row isBase64Encoded."""
    event, _ = await asks(method="POST", data=b"a=1", headers={"Content-Type": media_type})
    assert event["isBase64Encoded"] is encoded
    assert (b64decode(event["body"]) if encoded else event["body"].encode()) == b"a=1"


CONTEXT = [
    pytest.param({}, "accountId", "000000000000", id="accountId"),
    pytest.param({}, "apiId", "web", id="apiId"),
    pytest.param({}, "domainPrefix", "web", id="domainPrefix"),
    pytest.param({}, "stage", "$default", id="stage $default"),
    pytest.param({"target": "/prod/pets/1", "stages": PROD}, "stage", "prod", id="stage"),
    pytest.param({}, "routeKey", "ANY /pets/{id}", id="routeKey"),
]


@pytest.mark.parametrize(("asked", "member", "value"), CONTEXT)
async def test_each_member_of_the_request_context(asks: Asks, asked: dict[str, Any], member: str, value: str):
    event, _ = await asks(**asked)
    assert event["requestContext"][member] == value


async def test_what_the_request_was(asks: Asks):
    """Row http: path as rawPath."""
    event, _ = await asks("/prod/pets/1", stages=PROD, method="PATCH", headers={"User-Agent": "agent/1"})
    assert event["requestContext"]["http"] == {
        "method": "PATCH",
        "path": "/prod/pets/1",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "agent/1",
    }


async def test_the_domain_name_is_the_hosts(asks: Asks):
    """Row domainName."""
    event, _ = await asks(headers={"Host": "web.execute-api.us-east-1.amazonaws.com"})
    assert event["requestContext"]["domainName"] == "web.execute-api.us-east-1.amazonaws.com"


async def test_the_request_id_is_the_answers(asks: Asks):
    """Row requestId."""
    event, answer = await asks()
    assert [event["requestContext"]["requestId"]] == answer.all("apigw-requestid")


async def test_the_time_is_written_twice(asks: Asks):
    """Rows time (CLF) and timeEpoch (ms)."""
    context = (await asks())[0]["requestContext"]
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
    assert datetime.strptime(context["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp() == context["timeEpoch"] // 1000


@pytest.mark.parametrize("member", ["authentication", "authorizer"])
async def test_without_mutual_tls_and_authorizer_there_is(asks: Asks, member: str):
    """Rows authentication and authorizer."""
    assert not (await asks())[0]["requestContext"].get(member)


async def test_on_a_custom_domain_the_path_has_the_mapping_key(asks: Asks):
    """Row rawPath (unconfirmed); the route sees the path behind the key."""
    api = web_api({"GET /{id}": function()})
    mapping = ApiMapping(api_id="web", stage="$default", key="orders/v1")
    asks.gateway.app.deploy([api], domain_names=[DomainName(name="api.example.com", mappings=(mapping,))])
    event, _ = await asks.again("/orders/v1/123", headers={"Host": "api.example.com"})
    assert (event["routeKey"], event["rawPath"]) == ("GET /{id}", "/orders/v1/123")
    assert event["pathParameters"] == {"id": "123"}
    assert event["requestContext"]["domainName"] == "api.example.com"
