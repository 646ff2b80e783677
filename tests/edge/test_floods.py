"""Clients that take too long, send too much, or never read: bounded in time, memory and log lines.

Checks S-20 (slow heads, bodies and handshakes), S-21 and S-22 (heads and bodies out of proportion), S-23 (log storms),
S-24 (announced sizes), S-25 (pipelining).
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from collections.abc import Iterable

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.memory import resident
from tests.harness.pace import SLOWER
from tests.harness.raw_http import authority, request, split_responses, talk
from tests.harness.raw_websocket import WAIT, RawSocket, RawWebSocket, handshake, open_socket
from wsgw.definitions.api import Stage

PING = route("ping", mock('{"pong":true}'), two_way=True)


def push_head(gateway: TestGateway, *lines: str) -> bytes:
    """The head of a POST to the first connection, without its empty line."""
    target = f"/prod/@connections/{gateway.connections[0].id.replace('=', '%3D')}"
    head = [f"POST {target} HTTP/1.1", f"Host: {authority(gateway.url)}", *lines]
    return ("\r\n".join(head) + "\r\n").encode()


async def pushed(gateway: TestGateway, client: RawWebSocket) -> None:
    """A push gets through: the gateway is well."""
    gateway.connections[0].send(b"well")
    assert await client.receive() == b"well"


# ---- S-20: too slow

SLOW_HEADS = [
    ("silent", b""),
    ("request-line", b"POST /prod HT"),
    ("headers", b"POST /prod HTTP/1.1\r\nHost: a\r\nX-"),
    ("handshake", b"GET /prod HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"),
    ("empty-lines", b"\r\n\r\n"),
]


@pytest.mark.parametrize("start", [pytest.param(start, id=name) for name, start in SLOW_HEADS])
async def test_a_head_that_takes_too_long_is_answered_408_and_closed(make_gateway: MakeGateway, start: bytes):
    gateway = await make_gateway(head_seconds=10, body_seconds=1000)
    gateway.serve(PING)
    async with await open_socket(gateway.url) as socket:
        await socket.send(start)
        await until_accepted(gateway, 1)
        gateway.advance(9)
        gateway.advance(2)
        received = await socket.receive_to_eof()
    assert [answer.status for answer in split_responses(received)] == ([408] if start else [])


async def test_a_byte_now_and_then_does_not_prolong_a_head(make_gateway: MakeGateway):
    gateway = await make_gateway(head_seconds=10)
    gateway.clock.stand_still()
    gateway.serve(PING)
    async with await open_socket(gateway.url) as socket:
        await socket.send(b"POST /prod HTTP/1.1\r\nHost: a\r\nX: ")
        sent = 0
        while not socket.reader._buffer and sent < 100:  # type: ignore[attr-defined]
            await socket.send(b"y")
            await turns()
            gateway.advance(0.2)
            sent += 1
            await turns()
        assert 45 < sent < 55
        assert [answer.status for answer in split_responses(await socket.receive_to_eof())] == [408]


SLOW_BODIES = [
    ("sized", ("Content-Length: 10",), b"123"),
    ("sized-and-still-to-begin", ("Content-Length: 10",), b""),
    ("chunked", ("Transfer-Encoding: chunked",), b"5\r\n123"),
    ("chunked-at-the-end", ("Transfer-Encoding: chunked",), b"3\r\n123\r\n0\r\n"),
]


@pytest.mark.parametrize(
    ("lines", "start"), [pytest.param(lines, start, id=name) for name, lines, start in SLOW_BODIES]
)
async def test_a_body_that_takes_too_long_is_answered_408_and_closed(
    make_gateway: MakeGateway, lines: tuple[str, ...], start: bytes
):
    gateway = await make_gateway(head_seconds=10, body_seconds=30)
    gateway.serve(PING)
    client = await gateway.connect()
    async with await open_socket(gateway.url) as socket:
        await socket.send(push_head(gateway, *lines) + b"\r\n" + start)
        await until_accepted(gateway, 1)
        await turns()
        gateway.advance(29)
        await pushed(gateway, client)
        gateway.advance(2)
        assert [answer.status for answer in split_responses(await socket.receive_to_eof())] == [408]
    await pushed(gateway, client)


async def test_a_head_and_a_body_that_come_just_in_time_are_answered(make_gateway: MakeGateway):
    gateway = await make_gateway(head_seconds=10, body_seconds=30)
    gateway.clock.stand_still()
    gateway.serve(PING)
    client = await gateway.connect()
    whole = push_head(gateway, "Content-Length: 4", "Connection: close") + b"\r\nbody"
    async with await open_socket(gateway.url) as socket:
        for piece, seconds in ((whole[:20], 9), (whole[20:-3], 29), (whole[-3:], 0)):
            await socket.send(piece)
            await until_accepted(gateway, 1)
            await turns()
            gateway.advance(seconds)
        assert [answer.status for answer in split_responses(await socket.receive_to_eof())] == [200]
    assert await client.receive() == b"body"


async def stalled_sockets_are_closed(gateway: TestGateway, count: int) -> None:
    gateway.serve(PING)
    good = await gateway.connect()
    starts = [start for _, start in SLOW_HEADS]
    starts += [push_head(gateway, *lines) + b"\r\n" + start for _, lines, start in SLOW_BODIES]
    sockets = [await open_socket(gateway.url) for _ in range(count)]
    try:
        for number, socket in enumerate(sockets):
            await socket.send(starts[number % len(starts)])
        await until_accepted(gateway, count)
        before = time.perf_counter()
        for _ in range(20):
            await good.send_json({"action": "ping"})
            assert await good.receive_json() == {"pong": True}
        assert time.perf_counter() - before < 2 * SLOWER
        gateway.advance(gateway.settings.head_seconds + gateway.settings.body_seconds + 1)
        answers = [split_responses(await socket.receive_to_eof()) for socket in sockets]
        assert {answer.status for each in answers for answer in each} == {408}
        await good.send_json({"action": "ping"})
        assert await good.receive_json() == {"pong": True}
    finally:
        for socket in sockets:
            await socket.drop()


async def test_two_hundred_stalled_sockets_are_closed_and_a_good_client_notices_nothing(gateway: TestGateway):
    await stalled_sockets_are_closed(gateway, 200)


@pytest.mark.slow
async def test_two_thousand_stalled_sockets_are_closed_and_a_good_client_notices_nothing(gateway: TestGateway):
    await stalled_sockets_are_closed(gateway, 2000)


# ---- S-21, S-22: too much


def endless(piece: bytes, most: int = 32 * 2**20) -> Iterable[bytes]:
    return [piece] * (most // len(piece))


FLOODS: list[tuple[str, bytes, Iterable[bytes], int]] = [
    ("many-headers", b"a:b\r\n" * 1900 + b"\r\n", (), 431),
    ("very-many-headers", b"a:b\r\n" * 50_000 + b"\r\n", (), 431),
    ("headers-without-end", b"", endless(b"a:b\r\n" * 2000), 431),
    ("long-header", b"X: " + b"y" * 11_000 + b"\r\n\r\n", (), 431),
    ("header-without-end", b"X: ", endless(b"y" * 16_384), 431),
    ("header-without-end-in-small-pieces", b"X: ", endless(b"y" * 1000), 431),
    ("header-without-end-byte-by-byte", b"X: ", endless(b"y", 24_000), 431),
    ("name-without-end", b"", endless(b"y" * 16_384), 431),
    ("chunk-extension-without-end", b"Transfer-Encoding: chunked\r\n\r\n1;", endless(b"x" * 16_384), 413),
    ("chunk-size-without-end", b"Transfer-Encoding: chunked\r\n\r\n", endless(b"0" * 16_384), 413),
    ("chunks-without-end", b"Transfer-Encoding: chunked\r\n\r\n", endless(b"1\r\nx\r\n" * 3000), 413),
    ("trailer-without-end", b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", endless(b"x" * 16_384), 400),
    ("trailers-without-end", b"Transfer-Encoding: chunked\r\n\r\n0\r\n", endless(b"a:b\r\n" * 3000), 400),
    ("announced-body", b"Content-Length: 33554432\r\n\r\n", endless(b"x" * 16_384), 413),
]


@pytest.mark.parametrize(
    ("start", "rest", "status"), [pytest.param(start, rest, status, id=name) for name, start, rest, status in FLOODS]
)
async def test_what_is_too_much_is_refused_when_it_is_and_costs_next_to_nothing(
    gateway: TestGateway, start: bytes, rest: Iterable[bytes], status: int
):
    gateway.serve(PING)
    client = await gateway.connect()
    memory, cpu = resident(), time.process_time()
    async with await open_socket(gateway.url) as socket:
        await flood(socket, [push_head(gateway) + start, *rest])
        (answer,) = split_responses(await received_so_far(socket))
    # The client's own work is in it, and byte by byte that is most.
    assert time.process_time() - cpu < 0.5 * SLOWER
    assert resident() - memory < 16 * 2**20
    assert answer.status == status
    assert answer.header("connection") == "close"
    await pushed(gateway, client)


TARGETS = [("too-long", 5000, {414}), ("far-too-long", 100_000, {414, 431}), ("just-right", 4096 - 6, {403})]


@pytest.mark.parametrize(
    ("length", "statuses"), [pytest.param(length, statuses, id=name) for name, length, statuses in TARGETS]
)
@pytest.mark.parametrize("at_once", [5, 1000, 1_000_000], ids=["pieces-of-5", "pieces-of-1000", "whole"])
async def test_the_limit_of_the_target_holds_however_it_is_split(
    gateway: TestGateway, length: int, statuses: set[int], at_once: int
):
    gateway.serve(PING)
    data = request("/prod/" + "y" * length, authority(gateway.url))
    async with await open_socket(gateway.url) as socket:
        await flood(socket, [data[at : at + at_once] for at in range(0, len(data), at_once)])
        (answer,) = split_responses(await received_so_far(socket))
    assert answer.status in statuses


SMALL_CHUNKS = [
    ("hundred-thousand-at-once", [b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"], 100_000),
    ("one-by-one", [*[b"1\r\nx\r\n"] * 2000, b"0\r\n\r\n"], 2000),
]


@pytest.mark.parametrize(
    ("pieces", "size"), [pytest.param(pieces, size, id=name) for name, pieces, size in SMALL_CHUNKS]
)
async def test_a_body_in_chunks_of_one_byte_is_one_message_and_cheap(
    gateway: TestGateway, pieces: list[bytes], size: int
):
    gateway.serve(PING)
    client = await gateway.connect()
    cpu = time.process_time()
    async with await open_socket(gateway.url) as socket:
        await flood(socket, [push_head(gateway, "Transfer-Encoding: chunked") + b"\r\n", *pieces])
        answer = await socket.receive_response()
    assert time.process_time() - cpu < 0.5 * SLOWER
    assert answer.status == 200
    assert await client.receive() == b"x" * size


# ---- S-23: log storms


async def test_a_storm_of_bad_cookies_writes_few_lines_and_none_that_quotes_them(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture
):
    gateway.serve(PING, stage=Stage(name="prod", allowed_origins=("https://good.example",)))
    cookie = '"\x80=;\\;secret;=' * 600
    bad = handshake("/prod", authority(gateway.url), [("Cookie", cookie), ("Origin", "https://bad.example")])
    caplog.set_level(logging.DEBUG)
    began = time.perf_counter()
    statuses = []
    for _ in range(10):
        async with await open_socket(gateway.url) as socket:
            for _ in range(100):
                await socket.send(bad)
                statuses.append((await socket.receive_response()).status)
    assert statuses == [403] * 1000
    ours = [record for record in caplog.records if record.name != "asyncio"]
    assert 1 <= len(ours) <= 10 * (time.perf_counter() - began + 2)
    assert "secret" not in caplog.text


async def test_a_client_that_leaves_within_its_request_is_no_error(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture
):
    gateway.serve(PING)
    client = await gateway.connect()
    for lines, start in ((("Content-Length: 10",), b"123"), (("Transfer-Encoding: chunked",), b"5\r\n123")):
        async with await open_socket(gateway.url) as socket:
            await socket.send(push_head(gateway, *lines) + b"\r\n" + start)
            await until_accepted(gateway, 1)
        async with asyncio.timeout(WAIT):
            while held(gateway):
                await asyncio.sleep(0)
    await turns()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    await pushed(gateway, client)


# ---- S-24: sizes that are announced


async def test_an_announced_body_that_is_too_large_is_refused_before_it_is_asked_for(gateway: TestGateway):
    gateway.serve(PING)
    await gateway.connect()
    async with await open_socket(gateway.url) as socket:
        await socket.send(push_head(gateway, "Expect: 100-continue", "Content-Length: 131073") + b"\r\n")
        received = await asyncio.wait_for(socket.reader.readuntil(b"\r\n\r\n"), WAIT)
    (answer,) = split_responses(received)
    assert answer.status == 413
    assert answer.header("connection") == "close"


async def test_a_body_that_is_asked_for_and_too_large_after_all_is_refused(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect()
    async with await open_socket(gateway.url) as socket:
        await socket.send(push_head(gateway, "Expect: 100-continue", "Transfer-Encoding: chunked") + b"\r\n")
        assert await asyncio.wait_for(socket.reader.readuntil(b"\r\n\r\n"), WAIT) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await flood(socket, [b"8000\r\n" + b"x" * 32_768 + b"\r\n"] * 5)
        (answer,) = split_responses(await received_so_far(socket))
    assert answer.status == 413
    await pushed(gateway, client)


async def test_a_body_of_the_largest_size_is_asked_for_and_taken(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect()
    async with await open_socket(gateway.url) as socket:
        await socket.send(push_head(gateway, "Expect: 100-continue", "Content-Length: 131072") + b"\r\n")
        assert await asyncio.wait_for(socket.reader.readuntil(b"\r\n\r\n"), WAIT) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await socket.send(b"x" * 131_072)
        assert (await socket.receive_response()).status == 200
    assert await client.receive() == b"x" * 131_072


async def test_a_body_shorter_than_announced_is_never_a_message(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect()
    async with await open_socket(gateway.url) as socket:
        await socket.send(push_head(gateway, "Content-Length: 10") + b"\r\nshort")
        socket.writer.write_eof()
        assert await socket.receive_to_eof() == b""
    await pushed(gateway, client)


async def test_a_compressed_body_is_not_inflated(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect()
    bomb = gzip.compress(bytes(64 * 2**20))
    assert len(bomb) < 131_072
    memory = resident()
    head = push_head(gateway, "Content-Encoding: gzip", f"Content-Length: {len(bomb)}", "Connection: close")
    (answer,) = split_responses(await talk(gateway.url, head + b"\r\n" + bomb))
    assert answer.status == 200
    assert len(await client.receive()) < 4 * len(bomb)
    assert resident() - memory < 16 * 2**20


# ---- S-25: pipelining


async def test_ten_thousand_pipelined_requests_are_answered_in_order(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect()
    count = 10_000
    pushes = [push_head(gateway, f"Content-Length: {len(str(n))}") + b"\r\n%d" % n for n in range(count)]
    async with await open_socket(gateway.url) as socket:
        sending = asyncio.create_task(socket.send(b"".join(pushes)))
        answers = [(await socket.receive_response()).status for _ in range(count)]
        await sending
    assert answers == [200] * count
    assert [await client.receive() for _ in range(count)] == [b"%d" % n for n in range(count)]


async def test_what_follows_a_request_that_waits_is_not_read_on_and_on(gateway: TestGateway, backend: Backend):
    release = asyncio.Event()

    async def slowly(received: object) -> object:
        await release.wait()
        return backend.nothing()

    backend.answer("/connect", slowly)  # type: ignore[arg-type]
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), PING)
    async with await open_socket(gateway.url) as socket:
        await socket.send(handshake("/prod", authority(gateway.url)))
        await backend.wait_for("/connect")
        memory = resident()
        taken = await taken_until_blocked(socket, b"x" * 65_536)
        assert taken < 32 * 2**20
        assert resident() - memory < 16 * 2**20
        release.set()
        assert (await socket.receive_response()).status == 101


async def test_a_client_that_never_reads_its_answers_is_not_read_from_and_dropped(make_gateway: MakeGateway):
    gateway = await make_gateway(stall_seconds=10)
    gateway.serve(PING)
    client = await gateway.connect()
    one = request("/prod/@connections/unknown", authority(gateway.url), body=b"", method="POST")
    async with await open_socket(gateway.url, limit=1024) as socket:
        memory = resident()
        taken = await taken_until_blocked(socket, one * 500)
        assert taken < 64 * 2**20
        assert resident() - memory < 32 * 2**20
        await pushed(gateway, client)
        async with asyncio.timeout(WAIT * SLOWER):
            while held(gateway):
                # Again and again: what it has read already is answered first.
                gateway.advance(11)
                await turns()


# ---- how the client behaves


async def turns(count: int = 20) -> None:
    """Let the loop go round: what was sent on loopback is then received."""
    for _ in range(count):
        await asyncio.sleep(0)


def held(gateway: TestGateway) -> int:
    """How many client sockets that are not WebSockets the gateway holds."""
    return len(gateway.app._lanes.open) + len(gateway.app._server.connections)


async def until_accepted(gateway: TestGateway, count: int) -> None:
    async with asyncio.timeout(WAIT):
        while held(gateway) < count:
            await asyncio.sleep(0)
    await turns()


async def flood(socket: RawSocket, pieces: Iterable[bytes]) -> None:
    """Send `pieces` one by one until something is answered."""
    try:
        for piece in pieces:
            await asyncio.wait_for(socket.send(piece), WAIT)
            await asyncio.sleep(0)
            if socket.reader._buffer:  # type: ignore[attr-defined]
                break
    except ConnectionError:
        pass


async def received_so_far(socket: RawSocket) -> bytes:
    """One answer's bytes; the gateway may read on for a while before it closes."""
    answer = await socket.receive_response()
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in answer.headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + answer.body


async def taken_until_blocked(socket: RawSocket, piece: bytes, most: int = 256 * 2**20) -> int:
    """Send `piece` again and again until nothing more is taken for a while; how many bytes were."""
    taken = 0
    while taken < most:
        try:
            await asyncio.wait_for(socket.send(piece), 0.3)
        except TimeoutError:
            break
        taken += len(piece)
    return taken
