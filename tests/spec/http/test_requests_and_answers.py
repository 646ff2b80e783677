"""What every request to an HTTP API passes, in its order, and what every answer has.

Source: developer guide, "Troubleshooting HTTP APIs" and "Amazon API Gateway quotas"; answers as recorded in public.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, function, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, raises
from tests.harness.raw_http import authority, split_responses, talk

ONE = {"rateLimit": 0.001, "burstLimit": 1}
PAGE = {"Origin": "https://www.example.com", "Access-Control-Request-Method": "GET"}


# ---- the order of steps


async def test_sizes_are_looked_at_before_the_route(gateway: TestGateway, backend: Backend, client: Client):
    """Steps 3 and 6."""
    stages = {"$default": {"limits": {"payloadBytes": 100}}}
    gateway.deploy(web_api({"GET /pets": proxy(backend.url)}, stages=stages))
    assert (await client.ask("/nowhere", "POST", data=b"x" * 101)).status == 413
    assert (await client.ask("/nowhere", "POST", data=b"x" * 100)).status == 404


async def test_the_stage_comes_before_the_preflight(gateway: TestGateway, backend: Backend, client: Client):
    """Steps 4 and 5."""
    cors = {"allowOrigins": ["*"]}
    gateway.deploy(web_api({"GET /pets": proxy(backend.url)}, stages={"prod": None}, cors=cors))
    assert (await client.ask("/beta/pets", "OPTIONS", PAGE)).status == 404
    assert (await client.ask("/prod/nowhere", "OPTIONS", PAGE)).status == 204


async def test_the_route_comes_before_the_throttle(gateway: TestGateway, backend: Backend, client: Client):
    """Steps 5, 6 and 7: neither preflights nor what is not found take a token."""
    stages = {"$default": {"throttle": ONE}}
    gateway.deploy(web_api({"GET /pets": proxy(backend.url)}, stages=stages, cors={"allowOrigins": ["*"]}))
    assert [(await client.ask("/pets", "OPTIONS", PAGE)).status for _ in range(2)] == [204, 204]
    assert [(await client.ask("/nowhere")).status for _ in range(2)] == [404, 404]
    assert [(await client.ask("/pets")).status for _ in range(2)] == [200, 429]


async def test_the_throttle_comes_before_mapping_and_integration(
    gateway: TestGateway, backend: Backend, client: Client
):
    """Steps 7, 9 and 10."""
    mapping = {"append:header.x": "$request.querystring.x"}
    gateway.deploy(web_api({"GET /": {**proxy(backend.url, requestParameters=mapping), "throttle": ONE}}))
    assert (await client.ask("/")).status == 200
    assert (await client.ask("/?x=%0A")).status == 429
    assert len(backend.requests) == 1


async def test_answers_are_mapped_before_cors_headers(gateway: TestGateway, backend: Backend, client: Client):
    """Step 11."""
    mapping = {"200": {"overwrite:statuscode": "202"}}
    routes = {"GET /": proxy(backend.url, responseParameters=mapping)}
    gateway.deploy(web_api(routes, cors={"allowOrigins": ["*"]}))
    answer = await client.ask("/", headers=PAGE)
    assert (answer.status, answer.header("access-control-allow-origin")) == (202, "*")


# ---- throttling


async def test_each_level_of_throttling(gateway: TestGateway, backend: Backend, client: Client):
    """A token bucket per route; route settings before those of the stage."""
    routes = {key: proxy(backend.url) for key in ("GET /a", "GET /b", "GET /c")}
    setting = {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 3}
    gateway.deploy(web_api(routes, stages={"$default": {"throttle": ONE, "routeSettings": {"GET /a": setting}}}))
    for path, most in (("/a", 3), ("/b", 1), ("/c", 1)):
        assert [(await client.ask(path)).status for _ in range(most + 1)] == [200] * most + [429]


# ---- headers, cookies, bodies


async def test_the_request_id(gateway: TestGateway, backend: Backend, client: Client):
    """Row Request id: base64-like, ends with =; $context.requestId and $context.extendedRequestId."""
    mapping = {"200": {"append:header.ids": "${context.requestId} ${context.extendedRequestId}"}}
    gateway.deploy(web_api({"GET /": proxy(backend.url, responseParameters=mapping)}))
    answer = await client.ask("/")
    (id,) = answer.all("apigw-requestid")
    assert answer.header("ids") == f"{id} {id}"
    assert id.endswith("=")
    assert (await client.ask("/")).header("apigw-requestid") != id


@pytest.mark.parametrize("name", ["x-amzn-requestid", "x-amz-apigw-id", "x-amzn-errortype"])
async def test_headers_of_rest_apis_are_not_present(gateway: TestGateway, backend: Backend, client: Client, name: str):
    """Row Not present."""
    gateway.deploy(web_api({"GET /": proxy(backend.url)}))
    for path in ("/", "/nowhere"):
        assert (await client.ask(path)).header(name) is None


@pytest.mark.parametrize("coding", ["gzip", "br", "identity"])
async def test_nothing_is_compressed_here(gateway: TestGateway, backend: Backend, client: Client, coding: str):
    """Row Compression: the client's accept-encoding is passed to the backend."""
    backend.on("/", 200, "a" * 5000, {"Content-Type": "text/plain"})
    gateway.deploy(web_api({"GET /": proxy(backend.url)}))
    answer = await client.ask("/", headers={"Accept-Encoding": coding})
    assert backend.requests[0].header("accept-encoding") == coding
    assert (answer.header("content-encoding"), len(answer.body)) == (None, 5000)


async def test_a_backends_coding_stays(gateway: TestGateway, backend: Backend, client: Client):
    """Rows Binary and Compression."""
    backend.on("/", 200, b"\x1f\x8b\x00 whatever", {"Content-Encoding": "gzip"})
    gateway.deploy(web_api({"GET /": proxy(backend.url)}))
    answer = await client.ask("/")
    assert (answer.header("content-encoding"), answer.body) == ("gzip", b"\x1f\x8b\x00 whatever")


async def test_several_cookies_stay_several(gateway: TestGateway, backend: Backend, client: Client):
    """Row Cookies."""

    def two(_request: Received) -> web.Response:
        answer = web.Response()
        answer.headers.extend([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return answer

    backend.answer("/", two)
    gateway.deploy(web_api({"GET /": proxy(backend.url)}))
    assert (await client.ask("/")).all("set-cookie") == ["a=1", "b=2"]


async def test_header_lines_are_bounded(gateway: TestGateway, backend: Backend):
    """Row Header limit: request line + headers ≤ 10,240 B (431, unconfirmed)."""
    gateway.deploy(web_api({"GET /": proxy(backend.url)}))

    async def status(size: int) -> int:
        head = f"GET / HTTP/1.1\r\nHost: {authority(gateway.url)}\r\nConnection: close\r\nX: {'x' * 5000}\r\nY: "
        head += "y" * (size - len(head) - 4) + "\r\n\r\n"
        (response,) = split_responses(await asyncio.wait_for(talk(gateway.url, head.encode()), 20))
        return response.status

    assert [await status(10_240), await status(10_400)] == [200, 431]


# ---- errors

MESSAGES = {
    400: "Bad Request",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@pytest.mark.parametrize("status", MESSAGES)
async def test_each_error_has_its_status_and_body(
    gateway: TestGateway, backend: Backend, client: Client, lambdas: LambdaEndpoint, status: int
):
    """Compact JSON without spaces, content-type application/json, an id."""
    routes: dict[str, Any] = {
        "GET /400": proxy(backend.url, requestParameters={"append:header.x": "$request.querystring.x"}),
        "POST /413": proxy(backend.url),
        "GET /429": {**proxy(backend.url), "throttle": ONE},
        "GET /500": function(),
        "GET /503": proxy("http://127.0.0.1:9/"),
    }
    gateway.deploy(web_api(routes, stages={"$default": {"limits": {"payloadBytes": 100}}}))
    lambdas.functions["handle"] = raises("ValueError")
    if status == 429:
        await client.ask("/429")
    method, body = ("POST", b"x" * 101) if status == 413 else ("GET", None)
    answer = await client.ask(f"/{status}?x=%0A", method, data=body)
    text = f'{{"message":"{MESSAGES[status]}"}}'
    assert (answer.status, answer.body.decode()) == (status, text)
    assert answer.header("content-type") == "application/json"
    assert answer.header("content-length") == str(len(text))
    assert answer.header("apigw-requestid")


@pytest.mark.parametrize("key", ["GET /pets", "$default"])
async def test_a_disabled_default_endpoint_is_404(gateway: TestGateway, backend: Backend, client: Client, key: str):
    """Row 404: disableExecuteApiEndpoint true (unconfirmed)."""
    gateway.deploy(web_api({key: proxy(backend.url)}, disableExecuteApiEndpoint=True))
    for host in ("web.localhost", "web.execute-api.us-east-1.amazonaws.com"):
        answer = await client.ask("/pets", headers={"Host": host})
        assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')
    assert backend.requests == []
