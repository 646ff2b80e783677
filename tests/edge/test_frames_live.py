"""Frames that good clients do not send, over real sockets (T-03), and messages that never end (S-26).

Each row closes with the code that RFC 6455 wants, or is handled right; afterwards the gateway holds no connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.events import RECORDER, Recorder
from tests.harness.gateway import TestGateway, http, route
from tests.harness.memory import resident
from tests.harness.raw_websocket import CLOSE, PING, PONG, TEXT, WAIT, RawWebSocket, client_frame
from tests.harness.until import until
from wsgw.definitions.api import Stage, StageLimits

UNFINISHED = (1001, "Message not completed in time")
ECHO_PATH = "/echo"


def serve_echo(gateway: TestGateway, backend: Backend, **members: Any) -> Recorder:
    recorder = Recorder()
    backend.echo(ECHO_PATH)
    recorder.serve(
        gateway,
        route("$default", http(backend.url + ECHO_PATH), two_way=True),
        route("$disconnect", RECORDER),
        **members,
    )
    return recorder


def head(first: int, second: int, rest: bytes = b"") -> bytes:
    """Two bytes of a frame's head, and what follows."""
    return bytes((first, second)) + rest


MASK = b"\1\2\3\4"
NO_CHANGE = b"\0\0\0\0"
#: Bytes, and the close code and reason that they bring.
BROKEN = [
    pytest.param(client_frame(TEXT, b"text", mask=None), (1002, "Frame without mask"), id="unmasked-text"),
    pytest.param(client_frame(PING, b"", mask=None), (1002, "Frame without mask"), id="unmasked-ping"),
    pytest.param(client_frame(CLOSE, b"\3\xe8", mask=None), (1002, "Frame without mask"), id="unmasked-close"),
    pytest.param(
        head(0x81, 0xFF, (2**63).to_bytes(8, "big") + MASK), (1002, "Invalid payload length"), id="length-with-top-bit"
    ),
    pytest.param(head(0x81, 0xFF, b"\xff" * 8 + MASK), (1002, "Invalid payload length"), id="length-of-all-ones"),
    pytest.param(client_frame(TEXT, b"x" * 125, length_bytes=2), (1002, "Invalid payload length"), id="125-in-16-bits"),
    pytest.param(client_frame(TEXT, b"", length_bytes=8), (1002, "Invalid payload length"), id="0-in-64-bits"),
    pytest.param(
        client_frame(TEXT, b"x" * 65_535, length_bytes=8), (1002, "Invalid payload length"), id="65535-in-64-bits"
    ),
    pytest.param(client_frame(CLOSE, b"\3"), (1002, "Invalid close code"), id="close-of-one-byte"),
    pytest.param(client_frame(CLOSE, b"\3\xe7"), (1002, "Invalid close code"), id="close-code-999"),
    pytest.param(client_frame(CLOSE, b"\3\xed"), (1002, "Invalid close code"), id="close-code-1005"),
    pytest.param(client_frame(CLOSE, b"\x13\x88"), (1002, "Invalid close code"), id="close-code-5000"),
    pytest.param(client_frame(PING, b"x" * 126), (1002, "Control frame too long"), id="ping-of-126-bytes"),
    pytest.param(client_frame(CLOSE, b"\3\xe8" + b"x" * 124), (1002, "Control frame too long"), id="close-of-126"),
    pytest.param(client_frame(PING, b"", fin=False), (1002, "Fragmented control frame"), id="ping-in-fragments"),
    pytest.param(client_frame(0, b"more"), (1002, "Continuation without a message"), id="continuation-of-nothing"),
    pytest.param(
        client_frame(TEXT, b"a", fin=False) + client_frame(TEXT, b"b"),
        (1002, "Message within a message"),
        id="text-within-a-text",
    ),
    pytest.param(client_frame(TEXT, b"x", rsv=4), (1002, "Reserved bits set"), id="rsv1-without-an-extension"),
    pytest.param(client_frame(TEXT, b"x", rsv=2), (1002, "Reserved bits set"), id="rsv2"),
    pytest.param(client_frame(PING, b"x", rsv=1), (1002, "Reserved bits set"), id="rsv3-on-a-ping"),
    pytest.param(client_frame(3, b"x"), (1002, "Reserved opcode"), id="reserved-data-opcode"),
    pytest.param(client_frame(11, b"x"), (1002, "Reserved opcode"), id="reserved-control-opcode"),
    pytest.param(
        client_frame(TEXT, b"\xe2\x88", fin=False) + client_frame(0, b"x"), (1007, "Invalid UTF-8"), id="utf-8-broken"
    ),
    pytest.param(client_frame(TEXT, b"\xe2\x88"), (1007, "Invalid UTF-8"), id="utf-8-cut-off"),
    pytest.param(client_frame(TEXT, b"\xed\xa0\x80"), (1007, "Invalid UTF-8"), id="utf-8-surrogate"),
]


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize(("data", "close"), BROKEN)
async def test_a_broken_frame_fails_the_connection(
    gateway: TestGateway, backend: Backend, data: bytes, close: tuple[int, str], bytewise: bool
):
    recorder = serve_echo(gateway, backend, stage=Stage(name="prod", limits=StageLimits(frame_bytes=100_000)))
    client = await gateway.connect()
    for piece in [data[at : at + 1] for at in range(min(len(data), 200))] if bytewise else [data]:
        await client.send(piece)
        await asyncio.sleep(0)
    if bytewise and len(data) > 200:
        await client.send(data[200:])
    assert await client.receive_close() == close
    assert await client.receive_eof() == b""
    await client.drop()
    assert await recorder.wait_for_endings() == [close]
    assert gateway.connections == []
    await until(lambda: not gateway.app.node._closing)
    assert backend.got(ECHO_PATH) == []


#: Bytes, and the messages and pongs that they bring, in order.
FINE = [
    pytest.param(client_frame(TEXT, b"zero", mask=NO_CHANGE), [(TEXT, b"zero")], id="mask-of-zero"),
    pytest.param(client_frame(TEXT, b"ones", mask=b"\xff" * 4), [(TEXT, b"ones")], id="mask-of-ones"),
    pytest.param(client_frame(TEXT, b"x" * 126), [(TEXT, b"x" * 126)], id="126-in-16-bits"),
    pytest.param(client_frame(TEXT, b"x" * 65_536), [(TEXT, b"x" * 65_536)], id="65536-in-64-bits"),
    pytest.param(
        client_frame(TEXT, b"a", fin=False) + client_frame(PING, b"1") + client_frame(0, b"b"),
        [(PONG, b"1"), (TEXT, b"ab")],
        id="ping-within-a-message",
    ),
    pytest.param(
        client_frame(TEXT, b"a", fin=False) + client_frame(PONG, b"1") + client_frame(0, b"b"),
        [(TEXT, b"ab")],
        id="pong-within-a-message",
    ),
    pytest.param(
        client_frame(TEXT, b"\xe2", fin=False) + client_frame(0, b"\x88", fin=False) + client_frame(0, b"\x91"),
        [(TEXT, "∑".encode())],
        id="character-over-three-frames",
    ),
    pytest.param(
        client_frame(TEXT, b"", fin=False) + client_frame(0, b"", fin=False) + client_frame(0, b"x"),
        [(TEXT, b"x")],
        id="empty-fragments",
    ),
    pytest.param(client_frame(PING, b"x" * 125), [(PONG, b"x" * 125)], id="ping-of-125-bytes"),
]


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize(("data", "expected"), FINE)
async def test_an_unusual_frame_is_handled_as_it_should_be(
    gateway: TestGateway, backend: Backend, data: bytes, expected: list[tuple[int, bytes]], bytewise: bool
):
    recorder = serve_echo(gateway, backend, stage=Stage(name="prod", limits=StageLimits(frame_bytes=100_000)))
    client = await gateway.connect()
    for piece in [data[at : at + 1] for at in range(min(len(data), 200))] if bytewise else [data]:
        await client.send(piece)
        await asyncio.sleep(0)
    if bytewise and len(data) > 200:
        await client.send(data[200:])
    assert [await message_or_pong(client) for _ in expected] == expected
    assert await client.close(1000, "well") == (1000, "well")
    assert await recorder.wait_for_endings() == [(1000, "well")]
    assert gateway.connections == []


async def message_or_pong(client: RawWebSocket) -> tuple[int, bytes]:
    """The next pong, or the next message with its frames joined."""
    frame = await client.receive_frame()
    assert frame is not None
    opcode, payload = frame.opcode, frame.payload
    while not frame.fin:
        frame = await client.receive_frame()
        assert frame is not None
        payload += frame.payload
    return opcode, payload


async def test_frames_of_the_gateway_are_never_masked_and_set_no_reserved_bit(gateway: TestGateway, backend: Backend):
    serve_echo(gateway, backend, stage=Stage(name="prod", limits=StageLimits(frame_bytes=0)))
    client = await gateway.connect()
    await client.send_frame(TEXT, b"x" * 100_000)
    frames = []
    while not frames or not frames[-1].fin:
        frame = await client.receive_frame()
        assert frame is not None
        frames.append(frame)
    assert [(frame.opcode, len(frame.payload)) for frame in frames] == [
        (TEXT, 32_768),
        (0, 32_768),
        (0, 32_768),
        (0, 1_696),
    ]
    assert all(not frame.masked and frame.rsv == 0 for frame in frames)


# ---- messages that never end


UNENDING = [
    pytest.param(client_frame(TEXT, b"x" * 10, length=131_072, mask=NO_CHANGE), b"y", id="payload"),
    pytest.param(client_frame(TEXT, b"x", fin=False), client_frame(0, b"y", fin=False), id="fragments"),
    pytest.param(client_frame(TEXT, b"x", fin=False), client_frame(PING, b""), id="pings-within-a-message"),
    pytest.param(b"\x81", b"", id="half-a-head"),
    pytest.param(client_frame(PING, b"x" * 100)[:50], b"", id="half-a-ping"),
]


@pytest.mark.parametrize(("start", "piece"), UNENDING)
async def test_a_message_has_to_be_complete_in_time_however_it_dribbles(
    make_gateway: MakeGateway, backend: Backend, start: bytes, piece: bytes
):
    gateway = await make_gateway(body_seconds=30)
    gateway.clock.stand_still()
    recorder = serve_echo(gateway, backend, stage=Stage(name="prod", limits=StageLimits(frame_bytes=0)))
    client = await gateway.connect()
    (connection,) = gateway.connections
    await client.send(start)
    await until(lambda: connection.partial_since)
    for _ in range(29):
        gateway.advance(1)
        heard = connection.heard_at
        if piece:
            await client.send(piece)
            await until(lambda heard=heard: connection.heard_at > heard)
    assert gateway.connections == [connection]
    gateway.advance(1.3)
    assert await client.receive_close() == UNFINISHED
    await client.drop()
    assert await recorder.wait_for_endings() == [UNFINISHED]


async def test_each_message_has_its_own_time(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(body_seconds=30)
    serve_echo(gateway, backend)
    client = await gateway.connect()
    one = client_frame(TEXT, b"message")
    await client.send(one[:5])
    for _ in range(4):
        await until(lambda: gateway.connections[0].partial_since)
        gateway.advance(20)
        # The end of one message and the start of the next come together.
        await client.send(one[5:] + one[:5])
        assert await client.receive() == b"message"
    assert len(gateway.connections) == 1


async def test_the_time_of_a_message_does_not_run_while_reading_is_paused(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(body_seconds=30, inbox_messages=2)
    opened = asyncio.Event()

    async def answer(request: Received) -> Any:
        await opened.wait()
        return backend.nothing(request.body)

    backend.answer("/slow", answer)
    gateway.serve(route("$default", http(f"{backend.url}/slow"), two_way=True))
    client = await gateway.connect()
    (connection,) = gateway.connections
    last = client_frame(TEXT, b"3")
    await client.send(b"".join(client_frame(TEXT, str(number).encode()) for number in range(3)) + last[:3])
    await until(lambda: connection.partial_since and connection.inbox and len(connection.inbox) == 2)
    await client.send(last[3:])
    for _ in range(5):
        gateway.advance(25)
    opened.set()
    assert [await client.receive_text() for _ in range(4)] == ["0", "1", "2", "3"]


async def test_a_message_of_endless_empty_fragments_is_too_big(gateway: TestGateway, backend: Backend):
    recorder = serve_echo(gateway, backend)
    client = await gateway.connect()
    await client.send(client_frame(TEXT, b"", fin=False))
    for _ in range(17):
        await client.send(client_frame(0, b"", fin=False) * 1000)
    assert await client.receive_close() == (1009, "Too many fragments")
    await client.drop()
    assert await recorder.wait_for_endings() == [(1009, "Too many fragments")]


async def test_what_dribbles_in_takes_no_more_than_twice_its_size(make_gateway: MakeGateway, backend: Backend):
    count, size, steps = 100, 131_072, 64
    gateway = await make_gateway(body_seconds=30)
    recorder = serve_echo(gateway, backend, stage=Stage(name="prod", limits=StageLimits(frame_bytes=0)))
    clients = [await gateway.connect() for _ in range(count)]
    before = resident()
    for client in clients:
        await client.send(client_frame(TEXT, b"", length=size, mask=NO_CHANGE))
    sent = 0
    for step in range(steps):
        # Some bytes by themselves, as a dribble has them, then enough to get on.
        for part in (b"x", b"y", b"z" * (size // steps - 2 - (step == steps - 1))):
            sent += len(part)
            for client in clients:
                await client.send(part)
            await asyncio.sleep(0)
    assert sent == size - 1
    await until(lambda: all(_held(connection) == size - 1 for connection in gateway.connections), WAIT)
    assert resident() - before < 2 * count * size
    gateway.advance(31)
    assert {await client.receive_close() for client in clients} == {UNFINISHED}
    for client in clients:
        await client.drop()
    assert len(await recorder.wait_for_endings(count)) == count
    assert gateway.connections == []


def _held(connection: Any) -> int:
    incoming = connection._reader._incoming
    return len(incoming.data) if incoming is not None else 0
