"""Constraints and quotas of HTTP APIs as far as a definition can break them, or a request.

What API Gateway refuses for want of room and this gateway serves is a warning; what cannot be served is an error.
Source: service model `apigatewayv2`; developer guide, "Quotas for configuring and running an HTTP API".
"""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, function, proxy, web_api
from tests.harness.raw_websocket import open_socket
from wsgw.definitions.api import StageLimits
from wsgw.definitions.check import check
from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse


def severities(routes: dict[str, Any], **members: Any) -> list[str]:
    return [finding.severity for finding in check(web_api(routes, **members))]


def many(count: int) -> dict[str, Any]:
    return {f"GET /r{number}": "http://h" for number in range(count)}


ONE = {"$default": "http://h"}
COUNTS = [
    pytest.param(many(300), {}, [], id="300 routes"),
    pytest.param(many(301), {}, ["warning"], id="301 routes"),
    pytest.param(ONE, {"stages": {f"s{number}": None for number in range(10)}}, [], id="10 stages"),
    pytest.param(ONE, {"stages": {f"s{number}": None for number in range(11)}}, ["warning"], id="11 stages"),
    pytest.param({"$default": "http://h/" + "u" * 2039}, {}, [], id="uri of 2,048"),
    pytest.param({"$default": "http://h/" + "u" * 2040}, {}, ["error"], id="uri of 2,049"),
]


@pytest.mark.parametrize(("routes", "members", "found"), COUNTS)
def test_each_bound_of_a_definition(routes: dict[str, Any], members: dict[str, Any], found: list[str]):
    assert severities(routes, **members) == found


def route_of(**members: Any) -> dict[str, Any]:
    return {
        "apiId": "web",
        "name": "web",
        "protocolType": "HTTP",
        "routes": [{"routeKey": "$default", "target": "integrations/i", **members}],
        "integrations": [{"integrationId": "i", "integrationType": "HTTP_PROXY", "integrationUri": "http://h"}],
    }


@pytest.mark.parametrize("kind", ["NONE", "AWS_IAM"])
def test_a_guard_that_needs_no_authorizer_is_served(kind: str):
    """authorizationType NONE, AWS_IAM"""
    assert check(freeze(route_of(authorizationType=kind))) == []


@pytest.mark.parametrize("kind", ["CUSTOM", "JWT", "COGNITO_USER_POOLS"])
def test_a_guard_without_an_authorizer_is_refused(kind: str):
    """authorizationType CUSTOM, JWT: never open for want of an authorizer; COGNITO_USER_POOLS is a REST API's."""
    assert [finding.severity for finding in check(freeze(route_of(authorizationType=kind)))] == ["error"]


WRONG = [
    pytest.param(proxy("http://h", connectionType="PRIVATE"), id="connectionType"),
    pytest.param(function("3.0"), id="payloadFormatVersion"),
    pytest.param({"integration": {"type": "GRPC", "uri": "x"}}, id="integrationType"),
    pytest.param({"integration": "http://h", "authorizationType": "BASIC"}, id="authorizationType"),
]


@pytest.mark.parametrize("route", WRONG)
def test_a_value_that_no_enumeration_has_is_an_error(route: dict[str, Any]):
    data = {"apis": {"web": {"protocol": "HTTP", "routes": {"$default": route}}}}
    found = parse(json.dumps(data).encode(), "web.yaml", {}).findings
    assert [finding.severity for finding in found] == ["error"]


def test_the_quota_of_a_payload_is_10_mb():
    assert web_api(ONE).stages["$default"].limits.payload_bytes == StageLimits().payload_bytes == 10 * 1024 * 1024


async def test_a_payload_of_10_mb_is_taken_and_a_byte_more_is_413(
    gateway: TestGateway, backend: Backend, client: Client
):
    gateway.deploy(web_api({"POST /": proxy(backend.url)}))
    most = 10 * 1024 * 1024
    assert (await client.ask("/", "POST", data=io.BytesIO(b"x" * most))).status == 200
    assert len(backend.requests[0].body) == most
    head = f"POST / HTTP/1.1\r\nHost: web.localhost\r\nContent-Length: {most + 1}\r\n\r\n"
    async with await open_socket(gateway.url) as socket:
        await socket.send(head.encode())
        answer = await socket.receive_response()
    assert (answer.status, answer.body) == (413, b'{"message":"Request Entity Too Large"}')
    assert len(backend.requests) == 1


def test_the_quota_of_an_integrations_time_is_30_seconds():
    api = web_api(ONE)
    integration = api.routes["$default"].integration
    assert integration is not None
    assert (integration.timeout_ms, api.stages["$default"].limits.timeout_ms) == (30_000, 30_000)
