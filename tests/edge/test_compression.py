"""permessage-deflate over the wire: off unless asked for, both ways where it is on, and no weapon (check S-27).

Sources: RFC 7692; AWS WebSocket developer guide, which never mentions compression: the service ignores the offer.
"""

from __future__ import annotations

import zlib
from functools import cache

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.memory import resident
from tests.harness.raw_websocket import BINARY, PONG, TEXT, Frame, RawWebSocket
from wsgw.definitions.api import Stage, StageLimits

OFFER = "permessage-deflate; client_max_window_bits"
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
RSV1 = 4
TAIL = b"\x00\x00\xff\xff"
LONG = "all work and no play " * 1000
PING = route("ping", mock('{"pong":true}'), two_way=True)


def deflate(data: bytes, window_bits: int = 15) -> bytes:
    """The payload of a compressed message, made here and not by the gateway's code."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -window_bits)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def inflate(payload: bytes, window_bits: int = 15) -> bytes:
    """What a client with a window of 2**`window_bits` bytes reads. In small steps, or zlib would look back further."""
    stream, data, inflated = zlib.decompressobj(-window_bits), payload + TAIL, b""
    while part := stream.decompress(data, 64):
        inflated += part
        data = stream.unconsumed_tail
    return inflated


async def receive_frames(client: RawWebSocket) -> list[Frame]:
    """The frames of the next message."""
    frames = []
    while not frames or not frames[-1].fin:
        frame = await client.receive_frame()
        assert frame is not None
        frames.append(frame)
    return frames


async def receive_compressed(client: RawWebSocket, window_bits: int = 15) -> bytes:
    """The next message, which must be compressed: RSV1 on its first frame and on no other."""
    frames = await receive_frames(client)
    assert [frame.rsv for frame in frames] == [RSV1] + [0] * (len(frames) - 1)
    return inflate(b"".join(frame.payload for frame in frames), window_bits)


@cache
def bomb() -> bytes:
    """200 KiB that would be 200 MiB."""
    return deflate(b"a" * (200 * 2**20))


# ---- off


@pytest.mark.parametrize("on", [pytest.param(None, id="by-default"), pytest.param(False, id="for-the-stage")])
async def test_the_offer_is_ignored_where_compression_is_off(make_gateway: MakeGateway, on: bool | None):
    gateway = await make_gateway() if on is None else await make_gateway(compression=True)
    gateway.serve(route("long", mock(LONG), two_way=True), stage=Stage(name="prod", compression=on))
    client = await gateway.connect(extensions=OFFER)
    assert client.response.header("sec-websocket-extensions") is None
    await client.send_json({"action": "long"})
    frames = await receive_frames(client)
    assert {frame.rsv for frame in frames} == {0}
    assert b"".join(frame.payload for frame in frames).decode() == LONG


@pytest.mark.parametrize(
    "offered", [pytest.param(OFFER, id="offered-and-ignored"), pytest.param("", id="never-offered")]
)
@pytest.mark.parametrize("opcode", [pytest.param(TEXT, id="text"), pytest.param(9, id="ping")])
async def test_rsv1_that_was_not_agreed_on_closes_with_1002(gateway: TestGateway, offered: str, opcode: int):
    gateway.serve(PING)
    client = await gateway.connect(extensions=offered)
    await client.send_frame(opcode, deflate(b'{"action":"ping"}'), rsv=RSV1)
    assert (await client.receive_close())[0] == 1002
    assert gateway.connections == []


async def test_a_client_that_offered_nothing_gets_nothing_compressed(make_gateway: MakeGateway):
    gateway = await make_gateway(compression=True)
    gateway.serve(route("long", mock(LONG), two_way=True))
    client = await gateway.connect()
    assert client.response.header("sec-websocket-extensions") is None
    await client.send_json({"action": "long"})
    assert {frame.rsv for frame in await receive_frames(client)} == {0}
    await client.send_frame(TEXT, deflate(b'{"action":"long"}'), rsv=RSV1)
    assert (await client.receive_close())[0] == 1002


# ---- on

OFFERS = [
    pytest.param("permessage-deflate", AGREED, id="plain"),
    pytest.param(OFFER, AGREED, id="as-browsers-do"),
    pytest.param("permessage-deflate; server_max_window_bits=10", AGREED + "; server_max_window_bits=10", id="window"),
    pytest.param("x-webkit-deflate-frame, permessage-deflate", AGREED, id="the-second-of-two"),
    pytest.param("permessage-deflate; nonsense=1, permessage-deflate", AGREED, id="a-fallback"),
    pytest.param("permessage-deflate; nonsense=1", None, id="unknown-parameter"),
    pytest.param("permessage-deflate; server_max_window_bits=99", None, id="bad-window"),
    pytest.param("permessage-bzip2", None, id="another-extension"),
]


@pytest.mark.parametrize(("offer", "agreed"), OFFERS)
async def test_an_offer_is_answered_in_the_101(make_gateway: MakeGateway, offer: str, agreed: str | None):
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions=offer)
    assert client.response.header("sec-websocket-extensions") == agreed
    # Whatever was agreed on, the connection works.
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True}


async def test_a_stage_may_switch_it_on_alone(gateway: TestGateway):
    gateway.serve(PING, stage=Stage(name="prod", compression=True))
    client = await gateway.connect(extensions=OFFER)
    assert client.response.header("sec-websocket-extensions") == AGREED


async def test_an_offer_on_two_lines_is_one_offer(make_gateway: MakeGateway):
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    lines = [("Sec-WebSocket-Extensions", "x-other"), ("Sec-WebSocket-Extensions", "permessage-deflate")]
    client = await gateway.connect(headers=lines)
    assert client.response.header("sec-websocket-extensions") == AGREED


async def test_a_compressed_message_reaches_the_backend_inflated_and_its_answer_comes_back_deflated(
    make_gateway: MakeGateway, backend: Backend
):
    gateway = await make_gateway(compression=True)
    backend.echo("/echo")
    gateway.serve(route("$default", http(f"{backend.url}/echo"), two_way=True))
    client = await gateway.connect(extensions=OFFER)
    # Twice: with a context that was taken over, the second one could not be read by itself.
    for _ in range(2):
        await client.send_frame(TEXT, deflate(LONG.encode()), rsv=RSV1)
        assert await receive_compressed(client) == LONG.encode()
    assert [request.text for request in backend.got("/echo")] == [LONG, LONG]


async def test_a_compressed_message_may_come_in_fragments_with_a_ping_between(
    make_gateway: MakeGateway, backend: Backend
):
    gateway = await make_gateway(compression=True)
    backend.echo("/echo")
    gateway.serve(route("$default", http(f"{backend.url}/echo"), two_way=True))
    client = await gateway.connect(extensions=OFFER)
    payload = deflate(LONG.encode())
    await client.send_frame(TEXT, payload[:10], fin=False, rsv=RSV1)
    await client.send_frame(9, b"between")
    await client.send_frame(0, payload[10:])
    assert await client.receive_frame() == Frame(True, 0, PONG, b"between")
    assert await receive_compressed(client) == LONG.encode()


async def test_an_uncompressed_message_is_fine_too(make_gateway: MakeGateway):
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions=OFFER)
    await client.send_text('{"action":"ping"}')
    assert await client.receive_json() == {"pong": True}


async def test_pushes_are_deflated_where_that_makes_them_smaller(make_gateway: MakeGateway):
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions=OFFER)
    (connection,) = gateway.connections
    connection.send(LONG.encode())
    assert await receive_compressed(client) == LONG.encode()
    connection.send(b"short")
    assert await client.receive_frame() == Frame(True, 0, TEXT, b"short")
    # No byte repeats: deflating would add to it.
    incompressible = bytes(range(256))
    connection.send(incompressible, binary=True)
    assert await client.receive_frame() == Frame(True, 0, BINARY, incompressible)


async def test_a_binary_message_is_deflated_and_inflated_as_well(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(compression=True)
    data = bytes(range(256)) * 20
    backend.on("/b", 200, data, {"Content-Type": "application/octet-stream"})
    gateway.serve(route("$default", http(f"{backend.url}/b"), two_way=True), binary_messages="PASS")
    client = await gateway.connect(extensions=OFFER)
    await client.send_frame(BINARY, deflate(data), rsv=RSV1)
    frames = await receive_frames(client)
    assert (frames[0].opcode, frames[0].rsv) == (BINARY, RSV1)
    assert inflate(b"".join(frame.payload for frame in frames)) == data
    assert backend.got("/b")[0].body == data


async def test_the_window_that_the_client_asked_for_is_kept_to(make_gateway: MakeGateway):
    """A client that has reserved 512 bytes must be able to read what it gets."""
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions="permessage-deflate; server_max_window_bits=9")
    # Repeats at a distance that only a larger window reaches.
    text = "".join(f"{number:04x}" for number in range(400)) * 4
    gateway.connections[0].send(text.encode())
    assert await receive_compressed(client, window_bits=9) == text.encode()


async def test_a_deflated_message_is_still_split_into_frames(make_gateway: MakeGateway):
    gateway = await make_gateway(compression=True, fragment_bytes=256)
    gateway.serve(PING)
    client = await gateway.connect(extensions=OFFER)
    text = "".join(str(number) for number in range(2000))
    gateway.connections[0].send(text.encode())
    frames = await receive_frames(client)
    assert len(frames) > 2
    assert max(len(frame.payload) for frame in frames) <= 256
    assert [frame.rsv for frame in frames] == [RSV1] + [0] * (len(frames) - 1)
    assert inflate(b"".join(frame.payload for frame in frames)) == text.encode()


async def test_close_frames_and_pongs_are_never_compressed(make_gateway: MakeGateway):
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions=OFFER)
    await client.send_frame(9, b"a" * 125)
    assert await client.receive_frame() == Frame(True, 0, PONG, b"a" * 125)
    await client.send_close(1000, "a" * 123)
    assert await client.receive_frame() == Frame(True, 0, 8, b"\x03\xe8" + b"a" * 123)


async def test_it_stays_agreed_on_when_its_stage_is_gone(make_gateway: MakeGateway):
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions=OFFER)
    gateway.deploy()
    await client.send_frame(TEXT, deflate(b'{"action":"ping"}'), rsv=RSV1)
    assert (await client.receive_json())["message"] == "Forbidden"


# ---- S-27

BROKEN = [
    pytest.param([(TEXT, b"\xff" * 20, True, RSV1)], 1007, id="no-deflate-data"),
    pytest.param([(TEXT, deflate(b"\xff\xfe"), True, RSV1)], 1007, id="no-utf-8-once-inflated"),
    pytest.param([(9, deflate(b"ping"), True, RSV1)], 1002, id="compressed-ping"),
    pytest.param([(TEXT, b"abc", True, 2)], 1002, id="rsv2"),
    pytest.param([(TEXT, b"a", False, RSV1), (0, b"b", True, RSV1)], 1002, id="rsv1-on-a-continuation"),
]


@pytest.mark.parametrize(("frames", "code"), BROKEN)
async def test_bad_compression_closes_the_connection(
    make_gateway: MakeGateway, frames: list[tuple[int, bytes, bool, int]], code: int
):
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions=OFFER)
    for opcode, payload, fin, rsv in frames:
        await client.send_frame(opcode, payload, fin=fin, rsv=rsv)
    assert (await client.receive_close())[0] == code
    assert gateway.connections == []


async def test_a_context_that_the_client_takes_over_although_it_may_not_is_refused(make_gateway: MakeGateway):
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions=OFFER)
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    message = b'{"action":"ping","text":"a rather long text that repeats"}'
    first, second = ((stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL) for _ in range(2))
    assert len(second) < len(first) / 2  # it refers to the first
    await client.send_frame(TEXT, first, rsv=RSV1)
    assert await client.receive_json() == {"pong": True}
    await client.send_frame(TEXT, second, rsv=RSV1)
    assert (await client.receive_close())[0] == 1007


@pytest.mark.parametrize("frame_bytes", [pytest.param(32_768, id="in-frames"), pytest.param(0, id="in-one-frame")])
async def test_a_bomb_is_refused_with_1009_and_never_inflated(make_gateway: MakeGateway, frame_bytes: int):
    """No more than the message limit is ever inflated."""
    gateway = await make_gateway(compression=True)
    limits = StageLimits(frame_bytes=frame_bytes)
    gateway.serve(PING, stage=Stage(name="prod", limits=limits))
    payload = bomb()
    # A first one, so that what is allocated once for all is there.
    for measured in (False, True):
        client = await gateway.connect(extensions=OFFER)
        bystander = await gateway.connect()
        before = resident()
        if frame_bytes:
            await client.send_frame(TEXT, payload[:frame_bytes], fin=False, rsv=RSV1)
            await client.send_frame(0, payload[frame_bytes : 2 * frame_bytes], fin=False)
        else:
            await client.send_frame(TEXT, payload, rsv=RSV1)
        code, reason = await client.receive_close()
        assert (code, reason) == (1009, "Message too big")
        assert not measured or resident() - before < 2 * 2**20
        await bystander.send_json({"action": "ping"})
        assert await bystander.receive_json() == {"pong": True}
        assert len(gateway.connections) == (2 if measured else 1)
        await client.drop()


async def test_a_message_of_the_limit_exactly_once_inflated_is_taken_and_one_byte_more_is_1009(
    make_gateway: MakeGateway, backend: Backend
):
    gateway = await make_gateway(compression=True)
    gateway.serve(route("$default", http(f"{backend.url}/in")))
    client = await gateway.connect(extensions=OFFER)
    await client.send_frame(TEXT, deflate(b"a" * 131_072), rsv=RSV1)
    (received,) = await backend.wait_for("/in")
    assert len(received.body) == 131_072
    await client.send_frame(TEXT, deflate(b"a" * 131_073), rsv=RSV1)
    assert await client.receive_close() == (1009, "Message too big")
    assert len(backend.got("/in")) == 1


async def test_empty_deflate_blocks_do_not_go_on_for_ever(make_gateway: MakeGateway):
    """Blocks that inflate to nothing count as what they are on the wire."""
    gateway = await make_gateway(compression=True)
    gateway.serve(PING)
    client = await gateway.connect(extensions=OFFER)
    blocks = b"\x00\x00\x00\xff\xff" * 6_000
    await client.send_frame(TEXT, blocks, fin=False, rsv=RSV1)
    for _ in range(8):
        try:
            await client.send_frame(0, blocks, fin=False)
        except ConnectionError:
            break
    assert (await client.receive_close())[0] == 1009
    assert gateway.connections == []
