"""Handshakes that wait for their `$connect` while something else happens: the client leaves, speaks too early, or the
gateway is full or stops.

Source: AWS WebSocket developer guide, "Working with routes": `$disconnect` follows every `$connect` that was let in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.pace import SLOWER
from tests.harness.raw_http import authority
from tests.harness.raw_websocket import (
    CLOSE,
    TEXT,
    WAIT,
    RawSocket,
    RawWebSocket,
    Response,
    client_frame,
    handshake,
    open_socket,
)
from wsgw.definitions.route import Route

ECHO_ALL = "$default"


class Gate:
    """A `$connect` backend that answers `status` once `opened` is set."""

    def __init__(self, backend: Backend, status: int = 200) -> None:
        self.opened = asyncio.Event()
        self.status = status
        backend.answer("/connect", self._answer)

    async def _answer(self, received: Received) -> web.Response:
        await self.opened.wait()
        return web.Response(status=self.status)


def routes(backend: Backend, **members: int) -> tuple[Route, ...]:
    return (
        route("$connect", http(f"{backend.url}/connect", **members)),
        route("$disconnect", http(f"{backend.url}/bye")),
        route(ECHO_ALL, http(f"{backend.url}/echo"), two_way=True),
    )


async def knock(gateway: TestGateway, early: bytes = b"") -> RawSocket:
    """A client that has sent its handshake, and `early` right behind it."""
    socket = await open_socket(gateway.url)
    await socket.send(handshake("/prod", authority(gateway.url)) + early)
    return socket


async def gone(gateway: TestGateway) -> None:
    """Wait until the gateway has noticed that no client is there any more."""
    async with asyncio.timeout(WAIT):
        while gateway.app._lanes.open or any(handler.transport for handler in gateway.app._server.connections):
            await asyncio.sleep(0)


async def entered(socket: RawSocket) -> RawWebSocket:
    """The client, once it got its 101."""
    response: Response = await socket.receive_response()
    assert response.status == 101
    return RawWebSocket(socket, response)


Leave = Callable[[RawSocket], Awaitable[None]]


async def drop(socket: RawSocket) -> None:
    await socket.drop()


async def reset(socket: RawSocket) -> None:
    socket.reset()


async def half_close(socket: RawSocket) -> None:
    socket.writer.write_eof()


@pytest.mark.parametrize("leave", [drop, reset, half_close])
async def test_a_client_that_left_before_its_2xx_is_reported_gone_once(
    gateway: TestGateway, backend: Backend, leave: Leave
):
    gate = Gate(backend)
    gateway.serve(*routes(backend))
    socket = await knock(gateway)
    (connect,) = await backend.wait_for("/connect")
    await leave(socket)
    await gone(gateway)
    assert backend.got("/bye") == []
    gate.opened.set()
    (bye,) = await backend.wait_for("/bye")
    assert bye.header("wsgw-disconnect-code") == "1006"
    assert bye.header("wsgw-connection-id") == connect.header("wsgw-connection-id")
    assert gateway.connections == []
    async with asyncio.timeout(WAIT):
        while gateway.app._server.connections:
            await asyncio.sleep(0)
    await gateway.stop()
    assert len(backend.got("/bye")) == 1
    await socket.drop()


@pytest.mark.parametrize("status", [301, 403, 500])
async def test_a_client_that_left_before_it_was_refused_is_reported_to_nobody(
    gateway: TestGateway, backend: Backend, status: int
):
    gate = Gate(backend, status)
    gateway.serve(*routes(backend))
    socket = await knock(gateway)
    await backend.wait_for("/connect")
    await socket.drop()
    await gone(gateway)
    gate.opened.set()
    assert await gateway.stop() == 0
    assert backend.got("/bye") == []


async def test_a_client_that_left_before_its_backend_timed_out_is_reported_to_nobody(
    gateway: TestGateway, backend: Backend
):
    gate = Gate(backend)
    gateway.serve(*routes(backend, timeout_ms=100 * SLOWER))
    socket = await knock(gateway)
    await backend.wait_for("/connect")
    await socket.drop()
    await gone(gateway)
    assert await gateway.stop() == 0
    assert backend.got("/bye") == []
    gate.opened.set()


@pytest.mark.parametrize("count", [1, 5, 300], ids=["one", "several", "more-than-is-held"])
async def test_frames_before_the_101_are_answered_after_it_in_order(gateway: TestGateway, backend: Backend, count: int):
    gate = Gate(backend)
    backend.echo("/echo")
    gateway.serve(*routes(backend))
    texts = [f"{number}".ljust(1000, ".").encode() for number in range(count)]
    socket = await knock(gateway)
    await backend.wait_for("/connect")
    sending = asyncio.create_task(socket.send(b"".join(client_frame(TEXT, text) for text in texts)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert backend.got("/echo") == []
    gate.opened.set()
    client = await entered(socket)
    assert [await client.receive() for _ in texts] == texts
    await sending
    await client.close()


async def test_frames_in_one_packet_with_the_handshake_are_answered_after_the_101(
    gateway: TestGateway, backend: Backend
):
    gateway.serve(*routes(backend))
    backend.echo("/echo")
    frame = client_frame(TEXT, b"early")
    client = await entered(await knock(gateway, frame + frame[:5]))
    assert await client.receive() == b"early"
    await client.send(frame[5:])
    assert await client.receive() == b"early"
    await client.close()


async def test_a_close_before_the_101_is_answered_after_it(gateway: TestGateway, backend: Backend):
    gateway.serve(*routes(backend))
    client = await entered(await knock(gateway, client_frame(CLOSE, b"\x0f\xa0early")))
    assert await client.receive_close() == (4000, "early")
    await client.drop()
    (bye,) = await backend.wait_for("/bye")
    assert (bye.header("wsgw-disconnect-code"), bye.header("wsgw-disconnect-reason")) == ("4000", "early")


async def test_nonsense_before_the_101_fails_the_connection_after_it(gateway: TestGateway, backend: Backend):
    gateway.serve(*routes(backend))
    client = await entered(await knock(gateway, b"GET / HTTP/1.1\r\n\r\n"))
    assert (await client.receive_close())[0] == 1002
    await client.drop()
    (bye,) = await backend.wait_for("/bye")
    assert bye.header("wsgw-disconnect-code") == "1002"


async def test_frames_before_a_refusal_are_no_messages(gateway: TestGateway, backend: Backend):
    gate = Gate(backend, 403)
    gateway.serve(*routes(backend))
    socket = await knock(gateway, client_frame(TEXT, b"early") + b"\r\n\r\n")
    await backend.wait_for("/connect")
    gate.opened.set()
    assert (await socket.receive_response()).status == 403
    assert (await socket.receive_response()).status == 400
    assert await socket.receive_to_eof() == b""
    assert backend.got("/echo") == []
    assert backend.got("/bye") == []
    await socket.drop()


async def test_more_handshakes_than_may_wait_get_503_and_room_comes_back(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(handshakes=2)
    gate = Gate(backend)
    gateway.serve(*routes(backend))
    waiting = [await knock(gateway) for _ in range(2)]
    await backend.wait_for("/connect", 2)
    async with await knock(gateway) as third:
        refused = await third.receive_response()
    assert refused.status == 503
    assert b'"Service Unavailable"' in refused.body
    gate.opened.set()
    for socket in waiting:
        await (await entered(socket)).close()
    await (await entered(await knock(gateway))).close()
    assert len(backend.got("/connect")) == 3


async def test_connections_at_their_most_refuse_the_next_with_503(make_gateway: MakeGateway):
    gateway = await make_gateway(max_connections=2)
    gateway.serve(route("ping", mock("pong"), two_way=True))
    first, _ = await gateway.connect(), await gateway.connect()
    async with await knock(gateway) as third:
        assert (await third.receive_response()).status == 503
    await first.close()
    async with await knock(gateway) as third:
        assert (await third.receive_response()).status == 101


async def test_many_handshakes_at_once_never_exceed_the_most_connections(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(max_connections=5)
    gate = Gate(backend)
    gateway.serve(*routes(backend))
    sockets = [await knock(gateway) for _ in range(20)]
    await backend.wait_for("/connect", 5)
    for _ in range(50):
        await asyncio.sleep(0)
    gate.opened.set()
    statuses = [(await socket.receive_response()).status for socket in sockets]
    assert set(statuses) == {101, 503}
    assert statuses.count(101) == 5
    for socket in sockets:
        await socket.drop()


async def test_a_handshake_that_waits_when_the_gateway_stops_is_let_in_and_told_to_go(
    gateway: TestGateway, backend: Backend
):
    gate = Gate(backend)
    gateway.serve(*routes(backend))
    socket = await knock(gateway)
    await backend.wait_for("/connect")
    stopping = asyncio.create_task(gateway.stop())
    async with asyncio.timeout(WAIT):
        while not gateway.app.node.draining:
            await asyncio.sleep(0)
    gate.opened.set()
    client = await entered(socket)
    assert await client.receive_close() == (1001, "Going away")
    await client.send_close(1001)
    await client.drop()
    assert await asyncio.wait_for(stopping, WAIT) == 0
    assert [bye.header("wsgw-disconnect-code") for bye in backend.got("/bye")] == ["1001"]


async def test_a_handshake_that_comes_when_the_gateway_stops_gets_503(gateway: TestGateway, backend: Backend):
    gate = Gate(backend)
    gateway.serve(*routes(backend))
    # A connection of before: nobody is accepted any more, but it may ask once more.
    early, late = await knock(gateway), await open_socket(gateway.url)
    await backend.wait_for("/connect")
    gateway.app.node.draining = True
    await late.send(handshake("/prod", authority(gateway.url)))
    assert (await late.receive_response()).status == 503
    gate.opened.set()
    await (await entered(early)).drop()
    await late.drop()
