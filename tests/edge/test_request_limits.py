"""Limits of requests to HTTP and REST APIs, and what the client is told; through both doors.

Source: developer guide, "Quotas for configuring and running a REST API" and "… an HTTP API": 10,485,760 bytes of
payload, 10,240 bytes of headers. Check S-24: refused before the body is read, where its size is announced.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.http_api import answer, http_api
from tests.harness.raw_http import request, talk
from tests.harness.raw_websocket import WAIT, Response, open_socket
from tests.harness.until import until
from wsgw.definitions.api import GatewayResponse, StageLimits
from wsgw.invocation import HttpInvocation, Reply

SIZED = StageLimits(payload_bytes=1000)
WORDS = {"REST": b'{"message":"Request Too Long"}', "HTTP": b'{"message":"Request Entity Too Large"}'}


def deploy(gateway: TestGateway, protocol: str = "REST", limits: StageLimits = SIZED, **members: Any) -> None:
    gateway.deploy(http_api("POST /up", protocol=protocol, limits=limits, **members))
    answer(gateway, "POST /up", lambda invocation: Reply(200, str(len(invocation.body)).encode()))
    dict(gateway.app.stages.slots())["pets", "prod"].live.paths.find("POST", "/up").route.streams = False


def head(*lines: str, path: str = "/pets/prod/up") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x.example", *lines, "", ""]).encode()


async def say(gateway: TestGateway, data: bytes) -> Response:
    async with await open_socket(gateway.url) as client:
        await client.send(data)
        return await client.receive_response()


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize("size", [999, 1000])
async def test_a_body_as_large_as_may_be_is_taken(gateway: TestGateway, protocol: str, size: int):
    deploy(gateway, protocol)
    response = await say(gateway, head(f"Content-Length: {size}") + b"x" * size)
    assert (response.status, response.body) == (200, str(size).encode())


REFUSED = [
    pytest.param(head("Content-Length: 1001"), id="announced-and-not-sent"),
    pytest.param(head("Content-Length: 1001") + b"x" * 1001, id="announced-and-sent"),
    pytest.param(head("Content-Length: 99999999999"), id="announced-to-be-huge"),
    pytest.param(head("Content-Length: 1001", "Expect: 100-continue"), id="expect-100-continue"),
    pytest.param(head("Transfer-Encoding: chunked") + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", id="chunked"),
    pytest.param(head("Transfer-Encoding: chunked") + b"fffff\r\n" + b"x" * 2000, id="one-large-chunk-begun"),
]


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize("data", REFUSED)
async def test_a_byte_more_is_413_in_the_apis_words_and_the_last(gateway: TestGateway, protocol: str, data: bytes):
    deploy(gateway, protocol)
    response = await say(gateway, data)
    assert (response.status, response.body) == (413, WORDS[protocol])
    assert response.header("connection") == "close"
    if protocol == "REST":
        assert response.header("x-amzn-errortype")
        assert response.header("x-amzn-requestid")
    else:
        assert response.header("apigw-requestid")


async def test_413_is_a_gateway_response_that_can_be_changed(gateway: TestGateway):
    changed = GatewayResponse(response_type="REQUEST_TOO_LARGE", status_code="400")
    deploy(gateway, gateway_responses={"REQUEST_TOO_LARGE": changed})
    assert (await say(gateway, head("Content-Length: 1001"))).status == 400


async def test_who_expects_100_continue_is_told_to_go_on_within_the_limit(gateway: TestGateway):
    deploy(gateway)
    async with await open_socket(gateway.url) as client:
        await client.send(head("Content-Length: 3", "Expect: 100-continue"))
        assert await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), WAIT) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.receive_response()).body == b"3"


async def test_0_is_no_limit(gateway: TestGateway):
    deploy(gateway, limits=StageLimits(payload_bytes=0))
    response = await say(gateway, head("Content-Length: 11000000") + b"x" * 11_000_000)
    assert (response.status, response.body) == (200, b"11000000")


async def test_the_default_is_10_mib(gateway: TestGateway):
    deploy(gateway, limits=StageLimits())
    assert (await say(gateway, head("Content-Length: 10485761"))).status == 413
    assert (await say(gateway, head("Content-Length: 10485760") + b"x" * 10_485_760)).body == b"10485760"


async def test_each_stage_has_a_limit_of_its_own(gateway: TestGateway):
    gateway.deploy(
        http_api("POST /up", id="small", limits=StageLimits(payload_bytes=10)),
        http_api("POST /up", id="large", limits=StageLimits(payload_bytes=100_000)),
        api(route("ping", mock("pong"), two_way=True), id="chat"),
    )
    for name in ("small", "large"):
        answer(gateway, "POST /up", lambda invocation: Reply(200, str(len(invocation.body)).encode()), api=name)
    body = b"x" * 50
    assert (await say(gateway, head("Content-Length: 50", path="/small/prod/up") + body)).status == 413
    assert (await say(gateway, head("Content-Length: 50", path="/large/prod/up") + body)).body == b"50"
    # The push's own limit is the WebSocket API's: it is not here that it is refused.
    client = await gateway.connect("/chat/prod")
    id = gateway.connections[0].id.replace("=", "%3D")
    pushed = await say(gateway, head("Content-Length: 50", path=f"/chat/prod/@connections/{id}") + body)
    assert pushed.status == 200
    assert await client.receive() == body


async def test_too_many_bytes_of_headers_are_431(gateway: TestGateway):
    deploy(gateway)
    lines = [f"X-{number}: {'y' * 1000}" for number in range(11)]
    response = await say(gateway, head("Content-Length: 0", *lines))
    assert (response.status, response.header("connection")) == (431, "close")
    assert (await say(gateway, head("Content-Length: 0", *lines[:9]))).status == 200


async def test_a_long_url_is_414(gateway: TestGateway):
    deploy(gateway)
    limit = gateway.settings.request_url_bytes
    target = "/pets/prod/up?" + "q" * (limit - 14)
    assert (await say(gateway, head("Content-Length: 0", path=target))).status == 200
    assert (await say(gateway, head("Content-Length: 0", path=target + "q"))).status == 414


TARGETS = [
    pytest.param("/pets/prod/up?a=\xe9", id="beyond-ascii"),
    pytest.param("/pets/prod/up?a=b|c", id="vertical-bar-in-the-query"),
    pytest.param("/pets/prod/u|p", id="vertical-bar-in-the-path"),
    pytest.param("/pets/prod/up\x7f", id="delete"),
    pytest.param("/pets/prod/up#frag", id="fragment"),
]


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize("target", TARGETS)
async def test_a_target_that_is_no_url_is_400(gateway: TestGateway, protocol: str, target: str):
    deploy(gateway, protocol)
    data = f"POST {target} HTTP/1.1\r\nHost: x.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    received = await talk(gateway.url, data.encode("latin-1"))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1


async def test_pipelined_requests_to_a_slow_route_are_held_in_bounds(gateway: TestGateway):
    """S-25"""
    gateway.deploy(http_api("GET /slow"))
    go_on, seen = asyncio.Event(), 0

    async def slow(invocation: HttpInvocation) -> Reply:
        nonlocal seen
        seen += 1
        await go_on.wait()
        return Reply(200, b"x")

    answer(gateway, "GET /slow", slow)
    one = request("/pets/prod/slow", "x.example")
    async with await open_socket(gateway.url) as client:
        client.writer.write(one * 10_000)
        await until(lambda: seen)
        await asyncio.sleep(0.2)
        assert seen == 1
        app = gateway.app
        held = sum(len(lane._data) for lane in app._lanes.open)
        queued = sum(len(handler._messages) for handler in app._server.connections)
        # The backlog, and what one read gives beyond it.
        assert held < 400_000
        assert queued < 1_000
        go_on.set()
        for _ in range(10_000):
            assert (await client.receive_response()).status == 200
    assert seen == 10_000
