"""Requests to HTTP and REST APIs while the gateway stops: what runs is answered, and what comes does not hold it up."""

from __future__ import annotations

import asyncio

import aiohttp

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.http_api import answer, http_api
from tests.harness.raw_http import request, split_responses, talk
from tests.harness.raw_websocket import open_socket
from tests.harness.until import until
from wsgw.invocation import HttpInvocation, Reply

GET = request("/prod/pets", "pets.localhost")


class Slow:
    """A route that answers when the test says so; `waiting` requests are in it."""

    def __init__(self, gateway: TestGateway) -> None:
        self.waiting = 0
        self.go = asyncio.Event()
        gateway.deploy(http_api("GET /pets"))
        answer(gateway, "GET /pets", self._answer)

    async def _answer(self, _invocation: HttpInvocation) -> Reply:
        self.waiting += 1
        await self.go.wait()
        return Reply(200, b"late")


async def test_a_request_under_way_is_answered_and_its_connection_ends(gateway: TestGateway):
    slow = Slow(gateway)
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        await until(lambda: slow.waiting == 1)
        stopping = asyncio.create_task(gateway.app.stop(drain=0))
        await until(lambda: gateway.app.node.draining)
        await asyncio.sleep(0)
        slow.go.set()
        last = await client.receive_response()
        assert (last.status, last.body, last.header("Connection")) == (200, b"late", "close")
        assert await stopping == 0


async def test_a_request_that_comes_when_the_gateway_waits_for_others_is_503(gateway: TestGateway):
    slow = Slow(gateway)
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        await until(lambda: slow.waiting == 1)
        stopping = asyncio.create_task(gateway.app.stop(drain=0))
        await until(lambda: gateway.app.node.finishing)
        (refused,) = split_responses(await talk(gateway.url, GET))
        assert (refused.status, refused.header("Connection"), refused.header("Retry-After")) == (503, "close", "1")
        slow.go.set()
        assert (await client.receive_response()).status == 200
        await stopping


async def test_requests_that_keep_coming_do_not_hold_up_the_end(make_gateway: MakeGateway):
    gateway = await make_gateway(stop_seconds=20)
    gateway.deploy(http_api("GET /pets"))

    async def slowly(_invocation: HttpInvocation) -> Reply:
        await asyncio.sleep(0.03)
        return Reply(200, b"ok")

    answer(gateway, "GET /pets", slowly)
    said: list[int] = []

    async def load(session: aiohttp.ClientSession) -> None:
        while True:
            async with session.get(gateway.url + "/prod/pets", headers={"Host": "pets.localhost"}) as one:
                said.append(one.status)

    async with aiohttp.ClientSession() as session:
        clients = [asyncio.create_task(load(session)) for _ in range(4)]
        await until(lambda: len(said) > 8)
        assert await asyncio.wait_for(gateway.app.stop(drain=0), 5) == 0
        for one in clients:
            one.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    assert set(said) <= {200, 503}
