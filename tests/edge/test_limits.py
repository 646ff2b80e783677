"""Every limit of a stage at its boundary, both ways; each is a setting of the stage, and 0 turns it off (T-10).

The defaults are API Gateway's numbers. Source: developer guide, "Quotas for configuring and running a WebSocket API".
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.management import manage
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import BINARY, PING, PONG, TEXT, HandshakeRefused, RawWebSocket, client_frame
from wsgw.definitions.api import Stage, StageLimits

GOING_AWAY = (1001, "Going away")
FRAME_TOO_BIG = (1009, "Frame too big")
MESSAGE_TOO_BIG = (1009, "Message too big")
PING_ROUTE = route("ping", mock("pong"), two_way=True)


def limits(**members: Any) -> Stage:
    return Stage(name="prod", limits=StageLimits(**members))


def echo(gateway: TestGateway, backend: Backend, stage: Stage | None = None, **members: Any) -> None:
    backend.echo("/echo")
    gateway.serve(route("$default", http(f"{backend.url}/echo"), two_way=True), stage=stage, **members)


async def alive(client: RawWebSocket) -> None:
    """The connection is open: a message is answered."""
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"


def fragments(size: int, frame: int) -> bytes:
    """A text message of `size` bytes in frames of `frame`."""
    sizes = [min(frame, size - at) for at in range(0, size, frame)]
    return b"".join(
        client_frame(0 if number else TEXT, b"x" * one, fin=number == len(sizes) - 1)
        for number, one in enumerate(sizes)
    )


# ---- bytes

PASS = [
    pytest.param({}, client_frame(TEXT, b"x" * 32_768), 32_768, id="frame-32768"),
    pytest.param({}, fragments(131_072, 32_768), 131_072, id="message-131072"),
    pytest.param({}, fragments(131_072, 1_000), 131_072, id="message-131072-in-small-frames"),
    pytest.param({"frame_bytes": 100}, client_frame(TEXT, b"x" * 100), 100, id="stage-frame-100"),
    pytest.param({"message_bytes": 1000}, fragments(1000, 300), 1000, id="stage-message-1000"),
    pytest.param({"frame_bytes": 0}, client_frame(TEXT, b"x" * 131_072), 131_072, id="frame-limit-off"),
    pytest.param({"message_bytes": 0}, fragments(500_000, 32_768), 500_000, id="message-limit-off"),
    pytest.param(
        {"frame_bytes": 0, "message_bytes": 0}, client_frame(TEXT, b"x" * 500_000), 500_000, id="both-limits-off"
    ),
    pytest.param(
        {"frame_bytes": 200_000, "message_bytes": 300_000}, fragments(300_000, 200_000), 300_000, id="stage-above-ours"
    ),
]


@pytest.mark.parametrize(("members", "frames", "size"), PASS)
async def test_a_message_as_large_as_may_be_passes_both_ways(
    gateway: TestGateway, backend: Backend, members: dict[str, Any], frames: bytes, size: int
):
    echo(gateway, backend, limits(**members))
    client = await gateway.connect()
    await client.send(frames)
    assert await client.receive() == b"x" * size
    assert len(backend.got("/echo")[0].body) == size


CLOSE = [
    pytest.param({}, client_frame(TEXT, b"x" * 32_769), FRAME_TOO_BIG, id="frame-32769"),
    pytest.param({}, client_frame(TEXT, length=2**62), FRAME_TOO_BIG, id="frame-of-exabytes-announced"),
    pytest.param({}, fragments(131_073, 32_768), MESSAGE_TOO_BIG, id="message-131073"),
    pytest.param({}, fragments(131_073, 1_000), MESSAGE_TOO_BIG, id="message-131073-in-small-frames"),
    pytest.param({"frame_bytes": 100}, client_frame(TEXT, b"x" * 101), FRAME_TOO_BIG, id="stage-frame-101"),
    pytest.param({"message_bytes": 1000}, fragments(1001, 300), MESSAGE_TOO_BIG, id="stage-message-1001"),
    pytest.param({"message_bytes": 1000}, client_frame(TEXT, b"x" * 1001), MESSAGE_TOO_BIG, id="message-in-one-frame"),
    pytest.param({"frame_bytes": 0}, client_frame(TEXT, b"x" * 131_073), MESSAGE_TOO_BIG, id="frame-limit-off"),
    pytest.param({"message_bytes": 0}, client_frame(TEXT, b"x" * 32_769), FRAME_TOO_BIG, id="message-limit-off"),
]


@pytest.mark.parametrize(("members", "frames", "close"), CLOSE)
async def test_a_byte_more_closes_the_connection_and_nothing_is_invoked(
    gateway: TestGateway, backend: Backend, members: dict[str, Any], frames: bytes, close: tuple[int, str]
):
    echo(gateway, backend, limits(**members))
    client = await gateway.connect()
    await client.send(frames)
    assert await client.receive_close() == close
    await client.drop()
    other = await gateway.connect()
    await other.send_text("well")
    assert await other.receive() == b"well"
    assert [request.body for request in backend.got("/echo")] == [b"well"]


async def test_a_frame_is_refused_before_its_payload_has_come(gateway: TestGateway, backend: Backend):
    echo(gateway, backend)
    client = await gateway.connect()
    await client.send(client_frame(TEXT, b"", length=32_769))
    assert await client.receive_close() == FRAME_TOO_BIG


async def test_limits_count_bytes_not_characters(gateway: TestGateway, backend: Backend):
    echo(gateway, backend, limits(message_bytes=9))
    client = await gateway.connect()
    await client.send_text("∑∑∑")
    assert await client.receive_text() == "∑∑∑"
    await client.send_text("∑∑∑x")
    assert await client.receive_close() == MESSAGE_TOO_BIG


ANSWERS = [
    pytest.param({}, 131_072, None, id="131072"),
    pytest.param({}, 131_073, MESSAGE_TOO_BIG, id="131073"),
    pytest.param({"message_bytes": 500}, 500, None, id="stage-500"),
    pytest.param({"message_bytes": 500}, 501, MESSAGE_TOO_BIG, id="stage-501"),
    pytest.param({"message_bytes": 0}, 1_000_000, None, id="off"),
]


@pytest.mark.parametrize(("members", "size", "close"), ANSWERS)
async def test_an_answer_is_as_large_as_a_message_may_be_or_closes_the_connection(
    gateway: TestGateway, backend: Backend, members: dict[str, Any], size: int, close: tuple[int, str] | None
):
    backend.on("/answer", body=b"y" * size)
    gateway.serve(route("$default", http(f"{backend.url}/answer"), two_way=True), stage=limits(**members))
    client = await gateway.connect()
    await client.send_text("{}")
    if close is None:
        assert await client.receive() == b"y" * size
    else:
        assert await client.receive_close() == close


PUSHES = [
    pytest.param({}, 131_072, 200, id="131072"),
    pytest.param({}, 131_073, 413, id="131073"),
    pytest.param({"message_bytes": 500}, 500, 200, id="stage-500"),
    pytest.param({"message_bytes": 500}, 501, 413, id="stage-501"),
    pytest.param({"message_bytes": 0}, 1_000_000, 200, id="off"),
]


@pytest.mark.parametrize(("members", "size", "status"), PUSHES)
async def test_a_push_is_as_large_as_a_message_may_be_or_413_and_the_connection_stays(
    gateway: TestGateway, members: dict[str, Any], size: int, status: int
):
    gateway.serve(PING_ROUTE, stage=limits(**members))
    client = await gateway.connect()
    pushing = asyncio.create_task(manage(gateway, "POST", gateway.connections[0].id, b"z" * size))
    if status == 200:
        assert await client.receive() == b"z" * size
    assert (await pushing).status == status
    await alive(client)


# ---- time


async def test_a_connection_is_idle_after_ten_minutes_and_not_before(gateway: TestGateway):
    gateway.clock.stand_still()
    gateway.serve(PING_ROUTE)
    client = await gateway.connect()
    gateway.advance(599.5)
    await alive(client)
    gateway.advance(599.5)
    assert len(gateway.connections) == 1
    gateway.advance(0.8)
    assert gateway.connections == []
    assert await client.receive_close() == GOING_AWAY


IDLE = [
    pytest.param({"idle_seconds": 5}, 4.5, 5.3, id="stage-5"),
    pytest.param({"idle_seconds": 0.5}, 0.2, 0.8, id="stage-half-a-second"),
    pytest.param({"duration_seconds": 60}, 59.5, 60.3, id="duration-stage-60"),
    pytest.param({"idle_seconds": 0}, 7199.5, 7200.3, id="duration-7200"),
    pytest.param({"idle_seconds": 100_000, "duration_seconds": 0}, 99_999.5, 100_000.3, id="duration-off"),
]


@pytest.mark.parametrize(("members", "open_at", "closed_at"), IDLE)
async def test_time_limits_are_the_stages(
    gateway: TestGateway, members: dict[str, Any], open_at: float, closed_at: float
):
    gateway.clock.stand_still()
    gateway.serve(PING_ROUTE, stage=limits(**members))
    client = await gateway.connect()
    gateway.advance(open_at)
    assert len(gateway.connections) == 1
    gateway.advance(closed_at - open_at)
    assert gateway.connections == []
    assert await client.receive_close() == GOING_AWAY


async def test_a_connection_without_time_limits_stays(gateway: TestGateway):
    gateway.serve(PING_ROUTE, stage=limits(idle_seconds=0, duration_seconds=0))
    client = await gateway.connect()
    for _ in range(5):
        gateway.advance(1_000_000)
    await alive(client)


async def refused_post(gateway: TestGateway, client: RawWebSocket) -> None:
    assert (await manage(gateway, "POST", gateway.connections[0].id, b"x" * 131_073)).status == 413


async def asked_about(gateway: TestGateway, client: RawWebSocket) -> None:
    assert (await manage(gateway, "GET", gateway.connections[0].id)).status == 200


async def messaged(gateway: TestGateway, client: RawWebSocket) -> None:
    await alive(client)


async def pushed_to(gateway: TestGateway, client: RawWebSocket) -> None:
    assert (await manage(gateway, "POST", gateway.connections[0].id, b"push")).status == 200
    assert await client.receive() == b"push"


async def pinged(gateway: TestGateway, client: RawWebSocket) -> None:
    await client.send_frame(PING, b"1")
    frame = await client.receive_frame()
    assert frame is not None
    assert (frame.opcode, frame.payload) == (PONG, b"1")


async def ponged(gateway: TestGateway, client: RawWebSocket) -> None:
    """An unsolicited pong, and a message to another connection, to know that it has been read."""
    (connection,) = gateway.connections
    heard = connection.heard_at
    await client.send_frame(PONG, b"")
    async with asyncio.timeout(5):
        while connection.heard_at == heard:
            await asyncio.sleep(0)


ACTIVITY = [
    pytest.param(messaged, True, True, id="message-from-the-client"),
    pytest.param(pushed_to, True, True, id="push"),
    pytest.param(pinged, True, False, id="ping"),
    pytest.param(ponged, True, False, id="pong"),
    pytest.param(refused_post, False, False, id="push-that-is-refused"),
    pytest.param(asked_about, False, False, id="get"),
]


@pytest.mark.parametrize("count_pings", [True, False], ids=["pings-count", "pings-do-not-count"])
@pytest.mark.parametrize(("act", "counts", "counts_without_pings"), ACTIVITY)
async def test_what_counts_as_activity(
    make_gateway: MakeGateway, count_pings: bool, act: Any, counts: bool, counts_without_pings: bool
):
    gateway = await make_gateway(count_pings=count_pings)
    gateway.clock.stand_still()
    gateway.serve(PING_ROUTE)
    client = await gateway.connect()
    gateway.advance(599)
    await act(gateway, client)
    gateway.advance(2)
    if counts if count_pings else counts_without_pings:
        await alive(client)
    else:
        assert await client.receive_close() == GOING_AWAY


async def test_shorter_limits_reach_connections_that_are_open(gateway: TestGateway):
    gateway.serve(PING_ROUTE, stage=limits(idle_seconds=0, duration_seconds=0))
    client = await gateway.connect()
    gateway.advance(1)
    gateway.serve(PING_ROUTE, stage=limits(idle_seconds=20))
    gateway.advance(10)
    await alive(client)
    gateway.advance(25)
    assert gateway.connections == []
    assert await client.receive_close() == GOING_AWAY


async def test_longer_limits_reach_connections_that_are_open(gateway: TestGateway):
    gateway.serve(PING_ROUTE, stage=limits(idle_seconds=20))
    client = await gateway.connect()
    gateway.serve(PING_ROUTE, stage=limits(idle_seconds=0))
    gateway.advance(1000)
    await alive(client)


# ---- integrations

TIMEOUTS = [
    pytest.param(29_000, 300, 0.3, id="stage"),
    pytest.param(300, 29_000, 0.3, id="integration"),
    pytest.param(300, 0, 0.3, id="stage-off"),
]


@pytest.mark.parametrize(("integration_ms", "stage_ms", "seconds"), TIMEOUTS)
async def test_an_integration_that_takes_longer_is_refused_at_its_timeout_and_the_connection_stays(
    gateway: TestGateway, backend: Backend, integration_ms: int, stage_ms: int, seconds: float
):
    never = asyncio.Event()

    async def hang(request: Received) -> Any:
        await never.wait()
        return backend.nothing()

    backend.answer("/hang", hang)
    gateway.serve(
        PING_ROUTE,
        route("hang", http(f"{backend.url}/hang", timeout_ms=integration_ms), two_way=True),
        stage=limits(timeout_ms=stage_ms),
    )
    client = await gateway.connect()
    began = time.monotonic()
    await client.send_json({"action": "hang"})
    refusal = await client.receive_json()
    took = time.monotonic() - began
    never.set()
    assert refusal["message"] == "Endpoint request timed out"
    assert seconds * 0.95 <= took < seconds + SLOWER
    await alive(client)


async def test_an_answer_within_the_timeout_counts(gateway: TestGateway, backend: Backend):
    async def answer(request: Received) -> Any:
        await asyncio.sleep(0.2)
        return backend.nothing(b"in time")

    backend.answer("/slow", answer)
    gateway.serve(route("$default", http(f"{backend.url}/slow", timeout_ms=2_000), two_way=True))
    client = await gateway.connect()
    await client.send_text("{}")
    assert await client.receive() == b"in time"


# ---- new connections


async def test_new_connections_beyond_the_stages_rate_are_429(gateway: TestGateway):
    gateway.clock.stand_still()
    gateway.serve(PING_ROUTE, stage=limits(new_connections_per_second=1, new_connections_burst=3))
    for _ in range(3):
        await gateway.connect()
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    assert refused.value.response.status == 429
    gateway.advance(1.1)
    await alive(await gateway.connect())


async def test_connections_beyond_the_settings_number_are_503(make_gateway: MakeGateway):
    gateway = await make_gateway(max_connections=2)
    gateway.serve(PING_ROUTE)
    first, second = await gateway.connect(), await gateway.connect()
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    assert refused.value.response.status == 503
    await alive(second)
    await first.close()
    await alive(await gateway.connect())


async def test_a_binary_frame_counts_against_the_same_limits(gateway: TestGateway, backend: Backend):
    echo(gateway, backend, binary_messages="PASS")
    client = await gateway.connect()
    await client.send_frame(BINARY, b"\0" * 32_769)
    assert await client.receive_close() == FRAME_TOO_BIG
