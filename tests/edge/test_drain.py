"""The drain: every client told, evenly spread, and nothing that runs is cut off (R-02)."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.events import RECORDER, Recorder
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.management import call, manage
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import TEXT, HandshakeRefused, RawWebSocket, client_frame, handshake, open_socket
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw.definitions.api import Stage, StageLimits

GOING_AWAY = (1001, "Going away")
DISCONNECT = route("$disconnect", RECORDER)
ECHO = route("ping", mock("pong"), two_way=True)


async def leave(client: RawWebSocket) -> tuple[int, str]:
    """Wait for the close frame, answer it as a good client does; gives it."""
    close = await client.receive_close()
    await client.send_close(close[0])
    await client.receive_eof()
    await client.drop()
    return close


@pytest.mark.parametrize("count", [300, pytest.param(2_000, marks=pytest.mark.slow)])
async def test_a_drain_tells_every_client_evenly_spread_and_disconnects_each(gateway: TestGateway, count: int):
    gateway.clock.stand_still()
    recorder = Recorder()
    recorder.serve(gateway, DISCONNECT, stage=Stage(name="prod", limits=StageLimits(new_connections_per_second=0)))
    clients = [await gateway.connect() for _ in range(count)]
    ids = {connection.id for connection in gateway.connections}
    leaving = [asyncio.create_task(leave(client)) for client in clients]
    stopping = asyncio.create_task(gateway.app.stop(drain=10))
    for second in range(1, 11):
        # The first is told at once, and so is whoever's time has come.
        await until(lambda second=second: len(gateway.connections) == count - count * (second - 1) // 10 - 1)
        gateway.advance(1)
    assert set(await asyncio.gather(*leaving)) == {GOING_AWAY}
    assert await stopping == 0
    events = [event["requestContext"] for event in recorder.events]
    assert sorted(context["connectionId"] for context in events) == sorted(ids)
    assert {(context["disconnectStatusCode"], context["disconnectReason"]) for context in events} == {GOING_AWAY}


async def test_what_runs_when_the_drain_begins_finishes(gateway: TestGateway, backend: Backend):
    opened = asyncio.Event()
    finished = []

    async def answer(request: Received) -> Any:
        await opened.wait()
        finished.append(request.text)
        return backend.nothing()

    backend.answer("/slow", answer)
    gateway.serve(route("$default", http(f"{backend.url}/slow")), route("$disconnect", http(f"{backend.url}/gone")))
    client = await gateway.connect()
    for text in ("running", "waiting"):
        await client.send_text(text)
    await backend.wait_for("/slow")
    await until(lambda: len(gateway.connections[0].inbox or ()) == 1)
    stopping = asyncio.create_task(gateway.app.stop(drain=0))
    assert await leave(client) == GOING_AWAY
    assert not stopping.done()
    opened.set()
    assert await asyncio.wait_for(stopping, 5) == 0
    assert finished == ["running", "waiting"]
    assert [request.path for request in backend.requests] == ["/slow", "/slow", "/gone"]


async def test_what_does_not_finish_in_time_is_cut_off_and_counted(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(stop_seconds=0.3)
    never = asyncio.Event()

    async def answer(request: Received) -> Any:
        await never.wait()
        return backend.nothing()

    backend.answer("/hang", answer)
    gateway.serve(route("$default", http(f"{backend.url}/hang")))
    client = await gateway.connect()
    await client.send_text("{}")
    await backend.wait_for("/hang")
    began = asyncio.get_running_loop().time()
    assert await gateway.app.stop(drain=0) == 1
    assert 0.25 < asyncio.get_running_loop().time() - began < 5
    never.set()


async def test_a_client_that_does_not_answer_its_close_frame_does_not_hold_up_the_end(make_gateway: MakeGateway):
    gateway = await make_gateway(close_seconds=0.2, stop_seconds=30)
    recorder = Recorder()
    recorder.serve(gateway, DISCONNECT)
    client = await gateway.connect()
    began = asyncio.get_running_loop().time()
    assert await gateway.app.stop(drain=0) == 0
    assert asyncio.get_running_loop().time() - began < 5
    assert await client.receive_close() == GOING_AWAY
    assert await recorder.wait_for_endings() == [GOING_AWAY]


async def test_new_handshakes_are_503_while_draining(gateway: TestGateway):
    recorder = Recorder()
    recorder.serve(gateway, route("$connect", RECORDER), DISCONNECT)
    client = await gateway.connect()
    async with await open_socket(gateway.url) as early:
        await early.send(handshake("/prod", "localhost")[:20])
        stopping = asyncio.create_task(gateway.app.stop(drain=0))
        assert (await client.receive_close()) == GOING_AWAY
        with pytest.raises(HandshakeRefused) as refused:
            await gateway.connect()
        assert refused.value.response.status == 503
        await early.send(handshake("/prod", "localhost")[20:])
        assert (await early.receive_response()).status == 503
    await client.send_close(1001)
    await client.drop()
    await asyncio.wait_for(stopping, 5)
    # Nobody has been asked about them.
    assert len(recorder.of_type("CONNECT")) == 1
    with pytest.raises(ConnectionRefusedError):
        await gateway.connect()


async def test_readiness_says_that_it_drains(gateway: TestGateway):
    gateway.serve(ECHO)
    client = await gateway.connect()
    stopping = asyncio.create_task(gateway.app.stop(drain=0))
    assert await client.receive_close() == GOING_AWAY
    async with await open_socket(gateway.control) as socket:
        await socket.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = await socket.receive_response()
    assert response.status == 503
    assert b"draining" in response.body
    await client.send_close(1001)
    await client.drop()
    await asyncio.wait_for(stopping, 5)


async def test_backends_reach_the_clients_that_are_left_while_draining(gateway: TestGateway):
    gateway.clock.stand_still()
    gateway.serve(ECHO)
    first, second = await gateway.connect(), await gateway.connect()
    gone, left = gateway.connections
    stopping = asyncio.create_task(gateway.app.stop(drain=2))
    assert await first.receive_close() == GOING_AWAY
    assert (await manage(gateway, "POST", left.id, b"push")).status == 200
    assert await second.receive() == b"push"
    assert (await manage(gateway, "POST", gone.id, b"late")).status == 410
    await second.send_json({"action": "ping"})
    assert await second.receive_text() == "pong"
    await first.send_close(1001)
    await first.drop()
    gateway.advance(1)
    assert await leave(second) == GOING_AWAY
    await asyncio.wait_for(stopping, 5)


async def test_a_client_whose_connect_is_under_way_is_let_in_and_told_as_the_others(
    gateway: TestGateway, backend: Backend
):
    let_in = asyncio.Event()

    async def connect(request: Received) -> Any:
        await let_in.wait()
        return backend.nothing()

    backend.answer("/connect", connect)
    recorder = Recorder()
    recorder.serve(gateway, route("$connect", http(f"{backend.url}/connect")), DISCONNECT)
    connecting = asyncio.create_task(gateway.connect())
    await backend.wait_for("/connect")
    stopping = asyncio.create_task(gateway.app.stop(drain=0))
    await until(lambda: gateway.app.node.draining)
    let_in.set()
    client = await connecting
    assert await leave(client) == GOING_AWAY
    assert await asyncio.wait_for(stopping, 5) == 0
    assert await recorder.wait_for_endings() == [GOING_AWAY]


async def test_a_push_under_way_when_everything_has_ended_is_answered(gateway: TestGateway):
    """A request that arrives with the last close frame is answered, not reset."""
    gateway.serve(ECHO)
    client = await gateway.connect()
    (connection,) = gateway.connections
    async with await open_socket(gateway.url) as socket:
        await socket.send(call(gateway, "GET", f"/prod/@connections/{connection.id}"))
        assert (await socket.receive_response()).status == 200
        stopping = asyncio.create_task(gateway.app.stop(drain=0))
        assert await client.receive_close() == GOING_AWAY
        await socket.send(call(gateway, "POST", f"/prod/@connections/{connection.id}", b"late"))
        assert (await socket.receive_response()).status == 410
        await client.send(client_frame(TEXT, b"late, too"))
        await client.send_close(1001)
        await client.drop()
        await asyncio.wait_for(stopping, 5)
        assert await socket.receive_to_eof() == b""


async def test_a_gateway_without_connections_stops_at_once(gateway: TestGateway):
    gateway.serve(ECHO)
    began = asyncio.get_running_loop().time()
    assert await gateway.app.stop(drain=10) == 0
    assert asyncio.get_running_loop().time() - began < 2 * SLOWER


async def test_a_push_that_is_answered_when_nobody_listens_any_more_ends_its_connection(
    make_gateway: MakeGateway, redis: RedisServer
):
    """A backend that keeps its connection would send the next push into the end of it."""
    gateway = await make_gateway(redis=redis.url, redis_seconds=1)
    gateway.serve(ECHO)
    client = await gateway.connect()
    known = gateway.connections[0].id
    push = call(gateway, "POST", f"/prod/@connections/{quote(known, safe='')}", b"hello")
    async with await open_socket(gateway.url) as backend:
        await backend.send(push)
        assert (await backend.receive_response()).header("Connection") == "keep-alive"
        gateway.app._listeners.close()
        gateway.app._lanes.keep_none()
        await backend.send(push + push)
        last = await backend.receive_response()
        assert (last.status, last.header("Connection")) == (200, "close")
        assert await backend.receive_to_eof() == b""
    assert [await client.receive() for _ in range(2)] == [b"hello"] * 2


async def test_in_a_drain_that_others_do_not_see_connections_of_backends_end_with_their_next_answer(
    make_gateway: MakeGateway, redis: RedisServer
):
    gateway = await make_gateway(redis=redis.url, redis_seconds=1)
    gateway.serve(ECHO)
    client = await gateway.connect()
    known = gateway.connections[0].id
    async with await open_socket(gateway.url) as backend:
        get = call(gateway, "GET", f"/prod/@connections/{quote(known, safe='')}")
        await backend.send(get)
        assert (await backend.receive_response()).header("Connection") == "keep-alive"
        stopping = asyncio.create_task(gateway.app.stop(drain=0))
        await until(lambda: gateway.app.node.draining)
        await backend.send(get)
        assert (await backend.receive_response()).header("Connection") == "close"
        await leave(client)
        await stopping
