"""Heartbeats: a client that vanished without a word is found out, and nobody else is dropped (R-09)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.events import RECORDER, Recorder
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.raw_websocket import PING, PONG, TEXT, RawWebSocket, client_frame
from tests.harness.until import until
from wsgw.definitions.api import Stage, StageLimits

NO_ANSWER = (1006, "No answer to ping")
ECHO = route("ping", mock("pong"), two_way=True)
DISCONNECT = route("$disconnect", RECORDER)

#: Interval and timeout, either of them the longer one.
TIMES = [pytest.param(30, 20, id="30-then-20"), pytest.param(10, 20, id="10-then-20"), pytest.param(5, 5, id="5-5")]


async def served(
    make_gateway: MakeGateway, every: float, timeout: float, **settings: Any
) -> tuple[TestGateway, Recorder]:
    gateway = await make_gateway(heartbeat_seconds=every, heartbeat_timeout_seconds=timeout, **settings)
    gateway.clock.stand_still()
    recorder = Recorder()
    recorder.serve(gateway, DISCONNECT, ECHO)
    return gateway, recorder


async def expect_ping(client: RawWebSocket) -> bytes:
    frame = await client.receive_frame()
    assert frame is not None
    assert frame.opcode == PING
    return frame.payload


async def answer_ping(gateway: TestGateway, client: RawWebSocket) -> None:
    """Answer the ping that is there, and wait until the gateway has heard it."""
    (connection,) = gateway.connections
    payload = await expect_ping(client)
    await client.send_frame(PONG, payload)
    await until(lambda: not connection.awaiting_pong)


@pytest.mark.parametrize(("every", "timeout"), TIMES)
async def test_a_client_that_vanishes_is_dropped_after_interval_and_timeout(
    make_gateway: MakeGateway, every: float, timeout: float
):
    gateway, recorder = await served(make_gateway, every, timeout)
    client = await gateway.connect()
    gateway.advance(every - 0.5)
    gateway.advance(0.8)
    await expect_ping(client)
    gateway.advance(timeout - 1)
    assert len(gateway.connections) == 1
    gateway.advance(1.3)
    assert gateway.connections == []
    assert await recorder.wait_for_endings() == [NO_ANSWER]
    # Without a close frame: nobody is there to read one.
    assert await client.receive_close() == (1006, "")


@pytest.mark.parametrize(("every", "timeout"), TIMES)
async def test_a_client_that_vanishes_after_it_answered_is_found_out_as_soon(
    make_gateway: MakeGateway, every: float, timeout: float
):
    gateway, recorder = await served(make_gateway, every, timeout)
    client = await gateway.connect()
    gateway.advance(every + 0.3)
    await answer_ping(gateway, client)
    waited = 0.0
    while gateway.connections:
        gateway.advance(0.25)
        waited += 0.25
        assert waited < every + timeout + 1, "it should have been found out"
    assert waited > every + timeout - 1
    assert await recorder.wait_for_endings() == [NO_ANSWER]


async def test_a_client_that_answers_late_and_vanishes_is_found_out_as_soon(make_gateway: MakeGateway):
    gateway, recorder = await served(make_gateway, 5, 20)
    client = await gateway.connect()
    gateway.advance(5.3)
    for _ in range(6):
        gateway.advance(1)
    await answer_ping(gateway, client)
    for _ in range(4 * 26):
        gateway.advance(0.25)
    assert gateway.connections == []
    assert await recorder.wait_for_endings() == [NO_ANSWER]


@pytest.mark.parametrize(("every", "timeout"), TIMES)
async def test_a_client_that_answers_stays(make_gateway: MakeGateway, every: float, timeout: float):
    gateway, recorder = await served(make_gateway, every, timeout)
    client = await gateway.connect()
    for _ in range(20):
        gateway.advance(every + 0.3)
        await answer_ping(gateway, client)
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"
    assert recorder.events == []


async def test_pings_are_as_far_apart_as_is_said(make_gateway: MakeGateway):
    gateway, _ = await served(make_gateway, 10, 20)
    client = await gateway.connect()
    waited, found = 0.0, []
    (connection,) = gateway.connections
    while len(found) < 4:
        gateway.advance(0.25)
        waited += 0.25
        if connection.awaiting_pong:
            found.append(waited)
            await answer_ping(gateway, client)
    assert all(9.5 < later - earlier < 11 for earlier, later in zip([0, *found], found, strict=False)), found


async def test_a_client_that_says_something_is_not_pinged(make_gateway: MakeGateway):
    gateway, _ = await served(make_gateway, 30, 20)
    client = await gateway.connect()
    for _ in range(5):
        gateway.advance(29)
        await client.send_json({"action": "ping"})
        frame = await client.receive_frame()
        assert frame is not None
        assert frame.opcode == TEXT


async def test_any_byte_is_as_good_as_a_pong(make_gateway: MakeGateway):
    gateway, recorder = await served(make_gateway, 30, 20, body_seconds=1000)
    client = await gateway.connect()
    (connection,) = gateway.connections
    gateway.advance(30.3)
    await expect_ping(client)
    heard = connection.heard_at
    await client.send(b"\x81")
    await until(lambda: connection.heard_at > heard)
    gateway.advance(25)
    assert gateway.connections == [connection]
    assert recorder.events == []


async def test_without_the_setting_nobody_is_pinged_or_dropped(make_gateway: MakeGateway):
    gateway = await make_gateway()
    gateway.clock.stand_still()
    gateway.serve(ECHO)
    client = await gateway.connect()
    gateway.advance(599)
    await client.send_json({"action": "ping"})
    frame = await client.receive_frame()
    assert frame is not None
    assert frame.opcode == TEXT


async def test_a_stage_has_heartbeats_of_its_own(make_gateway: MakeGateway):
    gateway = await make_gateway(heartbeat_seconds=0)
    gateway.clock.stand_still()
    gateway.serve(ECHO, stage=Stage(name="prod", heartbeat_seconds=15))
    client = await gateway.connect()
    gateway.advance(15.3)
    await expect_ping(client)


async def test_heartbeats_begin_for_connections_that_are_open_when_a_deployment_turns_them_on(
    make_gateway: MakeGateway,
):
    gateway = await make_gateway()
    gateway.clock.stand_still()
    gateway.serve(ECHO, stage=Stage(name="prod", limits=StageLimits(idle_seconds=0, duration_seconds=0)))
    client = await gateway.connect()
    gateway.serve(ECHO, stage=Stage(name="prod", heartbeat_seconds=15))
    gateway.advance(6)
    gateway.advance(10)
    await expect_ping(client)


@pytest.mark.parametrize("count_pings", [True, False], ids=["pings-count", "pings-do-not-count"])
async def test_answered_heartbeats_keep_a_connection_from_being_idle_if_pings_count(
    make_gateway: MakeGateway, count_pings: bool
):
    gateway, _ = await served(make_gateway, 100, 20, count_pings=count_pings)
    client = await gateway.connect()
    for _ in range(5):
        gateway.advance(101)
        await answer_ping(gateway, client)
    gateway.advance(101)
    if count_pings:
        await answer_ping(gateway, client)
    else:
        assert await client.receive_close() == (1001, "Going away")


async def test_a_connection_whose_messages_wait_is_not_dropped(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(heartbeat_seconds=10, heartbeat_timeout_seconds=5, inbox_messages=2)
    gateway.clock.stand_still()
    opened = asyncio.Event()

    async def answer(request: Received) -> Any:
        await opened.wait()
        return backend.nothing(request.body)

    backend.answer("/slow", answer)
    gateway.serve(route("$default", http(f"{backend.url}/slow"), two_way=True))
    client = await gateway.connect()
    (connection,) = gateway.connections
    for number in range(3):
        await client.send_text(str(number))
    # Reading is paused: the client's pongs, if it sent any, would not be heard.
    await until(lambda: len(connection.inbox or ()) == 2)
    for _ in range(10):
        gateway.advance(11)
    opened.set()
    assert [await client.receive_text() for _ in range(3)] == ["0", "1", "2"]


async def test_a_connection_that_waits_for_a_slow_answer_is_kept_by_its_pongs(
    make_gateway: MakeGateway, backend: Backend
):
    gateway = await make_gateway(heartbeat_seconds=10, heartbeat_timeout_seconds=5)
    gateway.clock.stand_still()
    opened = asyncio.Event()

    async def answer(request: Received) -> Any:
        await opened.wait()
        return backend.nothing(b"at last")

    backend.answer("/slow", answer)
    gateway.serve(route("$default", http(f"{backend.url}/slow"), two_way=True))
    client = await gateway.connect()
    await client.send(client_frame(TEXT, b"{}"))
    await backend.wait_for("/slow")
    for _ in range(5):
        gateway.advance(10.3)
        await answer_ping(gateway, client)
    opened.set()
    assert await client.receive_text() == "at last"
