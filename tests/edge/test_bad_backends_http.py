"""Backends at their worst behind HTTP_PROXY routes of REST and HTTP APIs.

Check R-11. What fails before the head has come gets the protocol's own words; what breaks off later never looks whole.
Check S-06: a backend's 101 is never a tunnel. Check S-40: a denied address is a backend that cannot be reached.
"""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from tests.conftest import MakeGateway
from tests.harness import bad_backend as bad
from tests.harness.bad_backend import BEFORE_THE_HEAD, IN_THE_BODY, NETWORK, TOO_LARGE, TOO_LATE
from tests.harness.gateway import TestGateway
from tests.harness.memory import resident
from tests.harness.pace import SLOWER
from tests.harness.raw_http import split_responses, talk
from tests.harness.raw_websocket import open_socket
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route

PROTOCOLS = ["REST", "HTTP"]
#: Status and message.
TOLD = {
    ("REST", NETWORK): (504, "Network error communicating with endpoint"),
    ("REST", TOO_LATE): (504, "Endpoint request timed out"),
    ("REST", TOO_LARGE): (500, "Internal server error"),
    ("HTTP", NETWORK): (503, "Service Unavailable"),
    ("HTTP", TOO_LATE): (503, "Service Unavailable"),
    ("HTTP", TOO_LARGE): (500, "Internal Server Error"),
}


def an_api(protocol: str, url: str, *, timeout_ms: int = 5000, stage: Stage | None = None) -> Api:
    integration = Integration(type="HTTP_PROXY", uri=url, method="ANY", timeout_ms=timeout_ms)
    name = "ANY /bad"
    return Api(
        id="pets",
        name="pets",
        protocol=protocol,  # type: ignore[arg-type]
        routes={name: Route(key=name, integration=integration, resource_id="res1")},
        stages={"dev": stage or Stage(name="dev")},
    )


REQUEST = b"GET /pets/dev/bad HTTP/1.1\r\nHost: gateway.example\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> TestGateway:
    return await make_gateway(circuit_failures=0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("behaviour", "failure"), [pytest.param(behaviour, kind, id=name) for name, behaviour, kind in BEFORE_THE_HEAD]
)
async def test_a_backend_that_fails_is_told_in_the_protocols_words(gateway: TestGateway, protocol, behaviour, failure):
    timeout_ms = 200 if failure == TOO_LATE else 5000
    async with bad.running(behaviour) as (url, backend):
        gateway.deploy(an_api(protocol, url, timeout_ms=timeout_ms))
        begun, before = time.monotonic(), resident()
        received = await talk(gateway.url, REQUEST)
        assert time.monotonic() - begun < 3 * SLOWER
        assert resident() - before < 50_000_000
        assert backend is None or backend.sent < 20_000_000
    (response,) = split_responses(received)
    status, message = TOLD[protocol, failure]
    assert response.status == status
    assert json.loads(response.body) == {"message": message}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("behaviour", [pytest.param(behaviour, id=name) for name, behaviour in IN_THE_BODY])
async def test_a_body_that_breaks_off_never_looks_whole_and_takes_no_memory(gateway, protocol, behaviour):
    async with bad.bad_backend(behaviour) as backend:
        gateway.deploy(an_api(protocol, backend.url))
        before = resident()
        received = bytearray()
        async with await open_socket(gateway.url) as client:
            await client.send(REQUEST)
            async with asyncio.timeout(20 * SLOWER):
                try:
                    while piece := await client.reader.read(65_536):
                        received += piece
                except ConnectionError:
                    pass
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert not received.endswith(b"0\r\n\r\n")
        assert len(received) < 12_000_000  # the payload limit, and framing
        assert resident() - before < 80_000_000


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_gigabyte_that_a_client_does_not_read_stays_with_the_backend(make_gateway, protocol):
    gateway = await make_gateway(circuit_failures=0)
    async with bad.bad_backend(bad.gigabyte_chunked) as backend:
        gateway.deploy(an_api(protocol, backend.url))
        before = resident()
        async with await open_socket(gateway.url) as client:
            await client.send(REQUEST)
            await backend.held_back()
        assert backend.sent < 50_000_000
        assert resident() - before < 60_000_000


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_events_reach_the_client_one_by_one(gateway: TestGateway, protocol):
    """Server-sent events are flushed at once."""
    turns = [asyncio.Event() for _ in range(3)]

    async def events(exchange: bad.Exchange) -> None:
        await exchange.request()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number, turn in enumerate(turns):
            await turn.wait()
            await exchange.send(b"9\r\ndata: %d\n\n\r\n" % number)
        await exchange.send(b"0\r\n\r\n")

    async with bad.bad_backend(events) as backend, asyncio.timeout(10 * SLOWER):
        gateway.deploy(an_api(protocol, backend.url))
        async with await open_socket(gateway.url) as client:
            await client.send(REQUEST)
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            for number, turn in enumerate(turns):
                turn.set()
                assert await client.reader.readexactly(14) == b"9\r\ndata: %d\n\n\r\n" % number
            assert await client.reader.readexactly(5) == b"0\r\n\r\n"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_client_that_goes_ends_the_call_to_the_backend(gateway: TestGateway, protocol):
    ended = asyncio.Event()

    async def endless(exchange: bad.Exchange) -> None:
        await exchange.request()
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        if await exchange.request() is None:  # the gateway has closed
            ended.set()

    async with bad.bad_backend(endless) as backend, asyncio.timeout(10 * SLOWER):
        gateway.deploy(an_api(protocol, backend.url))
        async with await open_socket(gateway.url) as client:
            await client.send(REQUEST)
            await client.reader.readuntil(b"1\r\nx\r\n")
        await ended.wait()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_large_bodies_pass_both_ways(gateway: TestGateway, protocol):
    body = bytes(range(256)) * 16_384  # 4 MiB
    async with bad.bad_backend(bad.echo) as backend:
        gateway.deploy(an_api(protocol, backend.url))
        head = b"POST /pets/dev/bad HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        (response,) = split_responses(await asyncio.wait_for(talk(gateway.url, head + body), 20 * SLOWER))
        assert response.status == 200
        assert response.body == body


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_denied_address_is_a_backend_that_cannot_be_reached(make_gateway: MakeGateway, protocol):
    gateway = await make_gateway(egress_deny=("127.0.0.0/8",))
    async with bad.bad_backend(bad.echo) as backend:
        gateway.deploy(an_api(protocol, backend.url))
        (response,) = split_responses(await talk(gateway.url, REQUEST))
        assert response.status == TOLD[protocol, NETWORK][0]
        assert backend.connections == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_address_that_is_allowed_in_spite_is_reached(make_gateway: MakeGateway, protocol):
    gateway = await make_gateway(egress_deny=("127.0.0.0/8",), egress_allow=("127.0.0.1",))
    async with bad.bad_backend(bad.echo) as backend:
        gateway.deploy(an_api(protocol, backend.url))
        (response,) = split_responses(await talk(gateway.url, REQUEST))
        assert response.status == 200
