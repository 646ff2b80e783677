"""REST and HTTP APIs under clients that are slow, that vanish, or send too much: bounded time, memory and connections.

Checks S-20 to S-24; S-25 is in `test_request_limits`, downloads in `test_bad_backends_http`. Behind the routes is a
backend: whatever a client does, its connection is given back or closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import time
from collections.abc import AsyncIterator, Iterable

import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.memory import resident
from tests.harness.pace import SLOWER
from tests.harness.raw_http import request, split_responses, talk
from tests.harness.raw_websocket import WAIT, RawSocket, open_socket
from tests.harness.strict_backend import StrictBackend, strict_backend
from tests.harness.until import until
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.route import Integration, Route

PROTOCOLS = ["REST", "HTTP"]


class Drain:
    """A backend that reads, or does not while `deaf`, and answers when a body in chunks or of a length has ended."""

    def __init__(self) -> None:
        self.url = ""
        self.deaf = False
        self.open = 0
        self.taken = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                if self.deaf:
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
                    await asyncio.sleep(3600)
                end = b""
                while not end.endswith(b"0\r\n\r\n"):
                    piece = await reader.read(65_536)
                    if not piece:
                        raise ConnectionResetError
                    self.taken += len(piece)
                    end = (end + piece)[-5:]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
        self.open -= 1
        writer.transport.abort()


@pytest.fixture
async def drain() -> AsyncIterator[Drain]:
    one = Drain()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await one.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield one
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def backend() -> AsyncIterator[StrictBackend]:
    async with strict_backend() as one:
        yield one


def pets(
    protocol: str, url: str, *, payload: int = StageLimits().payload_bytes, timeout_ms: int = 29_000, **members: object
) -> Api:
    integration = Integration(type="HTTP_PROXY", uri=url, method="ANY", timeout_ms=timeout_ms)
    key = "ANY /up"
    return Api(
        id="pets",
        name="pets",
        protocol=protocol,  # type: ignore[arg-type]
        routes={key: Route(key=key, integration=integration, resource_id="r1")},
        stages={"dev": Stage(name="dev", limits=StageLimits(payload_bytes=payload))},
        **members,  # type: ignore[arg-type]
    )


def head(*lines: str) -> bytes:
    """The head of a POST, without its empty line."""
    return ("\r\n".join(["POST /pets/dev/up HTTP/1.1", "Host: a.example", *lines]) + "\r\n").encode("latin-1")


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def well(gateway: TestGateway) -> None:
    """The route answers."""
    (answer,) = split_responses(
        await talk(gateway.url, head("Content-Length: 5", "Connection: close") + b"\r\n0\r\n\r\n")
    )
    assert (answer.status, answer.body) == (200, b"fine")


async def flood(socket: RawSocket, pieces: Iterable[bytes]) -> None:
    """Send until all is sent or the gateway has had enough."""
    for piece in pieces:
        if socket.writer.is_closing() or socket.reader._buffer:  # type: ignore[attr-defined]
            break
        try:
            socket.writer.write(piece)
            await asyncio.wait_for(socket.writer.drain(), WAIT)
        except ConnectionError:
            break
        await asyncio.sleep(0)


async def received(socket: RawSocket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := await asyncio.wait_for(socket.reader.read(65_536), WAIT):
            data += piece
    return data


# ---- S-20: too slow

STALLS = [
    pytest.param(b"", [], id="silent"),
    pytest.param(b"POST /pets/dev/up HT", [408], id="request-line"),
    pytest.param(head(), [408], id="headers"),
    pytest.param(head("Content-Length: 10") + b"\r\n123", [408], id="body"),
    pytest.param(head("Content-Length: 1000000") + b"\r\n123", [408], id="long-body"),
    pytest.param(head("Transfer-Encoding: chunked") + b"\r\n5\r\n12", [408], id="chunk"),
    pytest.param(head("Transfer-Encoding: chunked") + b"\r\n3\r\n123\r\n", [408], id="between-chunks"),
    pytest.param(head("Transfer-Encoding: chunked") + b"\r\n3\r\n123\r\n0\r\n", [408], id="last-chunk"),
    pytest.param(head("Transfer-Encoding: chunked") + b"\r\n3\r\n123\r\n0\r\nX: y\r\n", [408], id="trailers"),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("start", "statuses"), STALLS)
async def test_who_stalls_is_answered_408_and_holds_no_connection_to_the_backend(
    make_gateway: MakeGateway, drain: Drain, protocol: str, start: bytes, statuses: list[int]
):
    """S-20"""
    gateway = await make_gateway(head_seconds=10, body_seconds=30)
    gateway.deploy(pets(protocol, drain.url))
    async with await open_socket(gateway.url) as socket:
        await socket.send(start)
        await turns(50)
        gateway.advance(1)
        await turns()
        gateway.advance(40)
        answers = split_responses(await received(socket))
    assert [answer.status for answer in answers] == statuses
    await until(lambda: drain.open == 0)
    await well(gateway)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_two_hundred_who_stall_do_not_hold_up_another(gateway: TestGateway, drain: Drain, protocol: str):
    """S-20"""
    gateway.deploy(pets(protocol, drain.url))
    starts = [param.values[0] for param in STALLS]
    sockets = [await open_socket(gateway.url) for _ in range(200)]
    try:
        for number, socket in enumerate(sockets):
            await socket.send(starts[number % len(starts)])  # type: ignore[arg-type]
        await turns(100)
        for _ in range(5):
            before = time.perf_counter()
            await well(gateway)
            assert time.perf_counter() - before < 0.5 * SLOWER
        gateway.advance(gateway.settings.head_seconds + gateway.settings.body_seconds + 1)
        for socket in sockets:
            assert {answer.status for answer in split_responses(await received(socket))} <= {408}
        await until(lambda: drain.open <= 1)
        await well(gateway)
    finally:
        for socket in sockets:
            await socket.drop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 10000000"])
async def test_who_vanishes_within_an_upload_gives_the_backends_connection_back(
    gateway: TestGateway, drain: Drain, protocol: str, framing: str, caplog: pytest.LogCaptureFixture
):
    """S-20, S-24: closed, for what the backend has of it is no whole request."""
    gateway.deploy(pets(protocol, drain.url))
    for _ in range(5):
        async with await open_socket(gateway.url) as socket:
            await socket.send(head(framing) + b"\r\n" + b"8000\r\n" + b"x" * 32_768)
            await until(lambda: drain.taken > 0)
            drain.taken = 0
    await until(lambda: drain.open == 0)
    await until(lambda: gateway.app._pool.counts().open == 0)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    await well(gateway)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_backend_that_does_not_read_an_upload_stops_the_client(
    gateway: TestGateway, drain: Drain, protocol: str
):
    """S-21: what nobody takes stays with the client."""
    drain.deaf = True
    gateway.deploy(pets(protocol, drain.url, payload=0, timeout_ms=1000 * SLOWER))
    memory = resident()
    async with await open_socket(gateway.url) as socket:
        await socket.send(head("Transfer-Encoding: chunked") + b"\r\n")
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 256 * 2**20:
                socket.writer.write(piece)
                await asyncio.wait_for(socket.writer.drain(), 0.5)
                sent += len(piece)
        assert sent < 64 * 2**20
        assert resident() - memory < 48 * 2**20
        socket.reset()
    await until(lambda: gateway.app._pool.counts().open == 0)


# ---- S-21, S-22: too much

_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def endless(piece: bytes, most: int = 40 * 2**20) -> Iterable[bytes]:
    return [piece] * (most // len(piece))


FLOODS = [
    pytest.param(b"a:b\r\n" * 1900 + b"\r\n", (), 431, id="many-headers"),
    pytest.param(b"", endless(b"a:b\r\n" * 2000), 431, id="headers-without-end"),
    pytest.param(b"X: ", endless(b"y" * 16_384), 431, id="header-without-end"),
    pytest.param(b"X: ", endless(b"y", 30_000), 431, id="header-without-end-byte-by-byte"),
    pytest.param(b"", endless(b"y" * 16_384), 431, id="name-without-end"),
    pytest.param(_CHUNKED + b"1;", endless(b"x" * 16_384, 180 * 2**20), 413, id="chunk-extension-without-end"),
    pytest.param(_CHUNKED, endless(b"0" * 16_384, 180 * 2**20), 413, id="chunk-size-without-end"),
    pytest.param(_CHUNKED, endless(b"8000\r\n" + b"x" * 32_768 + b"\r\n"), 413, id="chunks-without-end"),
    pytest.param(_CHUNKED + b"0\r\nX: ", endless(b"x" * 16_384), 400, id="trailer-without-end"),
    pytest.param(_CHUNKED + b"0\r\n", endless(b"a:b\r\n" * 3000), 400, id="trailers-without-end"),
    pytest.param(b"Content-Length: 104857600\r\n\r\n", endless(b"x" * 16_384), 413, id="announced-body"),
    pytest.param(b"Content-Length: 99999999999999999999\r\n\r\n", endless(b"x" * 16_384), 400, id="beyond-64-bits"),
]


@pytest.mark.parametrize(("start", "rest", "status"), FLOODS)
async def test_what_is_too_much_is_refused_when_it_is(
    gateway: TestGateway, drain: Drain, start: bytes, rest: Iterable[bytes], status: int
):
    """S-21, S-22"""
    gateway.deploy(pets("REST", drain.url))
    memory = resident()
    async with await open_socket(gateway.url) as socket:
        await flood(socket, [head() + start, *rest])
        # It may read on for a while before it closes.
        answer = await socket.receive_response()
        socket.reset()
    assert (answer.status, answer.header("connection")) == (status, "close")
    assert resident() - memory < 48 * 2**20
    await until(lambda: drain.open == 0)
    await well(gateway)


SMALL_CHUNKS = [
    pytest.param([b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"], 100_000, id="hundred-thousand-at-once"),
    pytest.param([*[b"1\r\nx\r\n"] * 1000, b"0\r\n\r\n"], 1000, id="one-by-one"),
    pytest.param([bytes([byte]) for byte in b"1\r\nx\r\n" * 300 + b"0\r\n\r\n"], 300, id="byte-by-byte"),
]


@pytest.mark.parametrize(("pieces", "size"), SMALL_CHUNKS)
async def test_a_body_in_chunks_of_one_byte_is_one_body_and_cheap(
    gateway: TestGateway, backend: StrictBackend, pieces: list[bytes], size: int
):
    """S-21"""
    gateway.deploy(pets("REST", backend.url))
    cpu = time.process_time()
    async with await open_socket(gateway.url) as socket:
        await flood(socket, [head("Transfer-Encoding: chunked") + b"\r\n", *pieces])
        answer = await socket.receive_response()
    # The client's and the backend's own work is in it.
    assert time.process_time() - cpu < 1.5 * SLOWER
    assert answer.status == 200
    assert [sent.body for sent in backend.requests] == [b"x" * size]
    assert backend.faults == []


async def test_a_head_that_comes_byte_by_byte_is_one_request(gateway: TestGateway, backend: StrictBackend):
    """S-21, S-22"""
    gateway.deploy(pets("REST", backend.url))
    data = head("X-One: " + "y" * 500, "Content-Length: 3", "Connection: close") + b"\r\none"
    async with await open_socket(gateway.url) as socket:
        for byte in data:
            await socket.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await socket.receive_response()).status == 200
    assert [sent.body for sent in backend.requests] == [b"one"]


async def test_a_form_of_many_parts_is_bytes(gateway: TestGateway, backend: StrictBackend):
    """S-21: nobody takes it apart."""
    gateway.deploy(pets("REST", backend.url))
    body = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n" * 20_000 + b"--b--\r\n"
    lines = ("Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}", "Connection: close")
    cpu = time.process_time()
    (answer,) = split_responses(await talk(gateway.url, head(*lines) + b"\r\n" + body))
    assert time.process_time() - cpu < 0.5 * SLOWER
    assert answer.status == 200
    assert backend.requests[0].body == body


# ---- S-23: log storms


async def test_a_storm_of_bad_cookies_writes_few_lines_and_none_that_quotes_them(
    gateway: TestGateway, backend: StrictBackend, caplog: pytest.LogCaptureFixture
):
    """S-23"""
    gateway.deploy(pets("REST", backend.url))
    cookie = '"\x80=;\\;secret;=' * 600
    caplog.set_level(logging.DEBUG)
    begun = time.perf_counter()
    statuses = set()
    async with await open_socket(gateway.url) as socket:
        for number in range(200):
            path = ("/pets/dev/up", "/pets/dev/nowhere", "/pets/dev/up%", "/secret")[number % 4]
            await socket.send(request(path, "a.example", [("Cookie", cookie), ("Expect", "secret")]))
            statuses.add((await socket.receive_response()).status)
    assert statuses <= {200, 400, 403, 404}
    ours = [record for record in caplog.records if record.name != "asyncio" and record.levelno > logging.DEBUG]
    # Ten lines of each of the three reasons at once, then one a second.
    assert len(ours) <= 3 * (10 + time.perf_counter() - begun)
    assert "secret" not in caplog.text


# ---- S-24: sizes that are announced


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_announced_body_that_is_too_large_is_refused_before_it_is_asked_for(
    gateway: TestGateway, drain: Drain, protocol: str
):
    """S-24"""
    gateway.deploy(pets(protocol, drain.url, payload=1000))
    async with await open_socket(gateway.url) as socket:
        await socket.send(head("Expect: 100-continue", "Content-Length: 1001") + b"\r\n")
        answer = await socket.receive_response()
        socket.reset()
    assert (answer.status, answer.header("connection")) == (413, "close")
    assert drain.taken == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_body_shorter_than_announced_is_never_whole_to_the_backend(
    gateway: TestGateway, backend: StrictBackend, protocol: str
):
    """S-24"""
    gateway.deploy(pets(protocol, backend.url))
    for length in (10, 1_000_000):
        async with await open_socket(gateway.url) as socket:
            await socket.send(head(f"Content-Length: {length}") + b"\r\nshort")
            socket.writer.write_eof()
            assert b" 200 " not in await received(socket)
    await until(lambda: backend.open == 0)
    assert backend.requests == []


BOMBS = [
    pytest.param(gzip.compress(bytes(100 * 2**20)), "gzip", id="gzip"),
    pytest.param(gzip.compress(gzip.compress(bytes(100 * 2**20))), "gzip, gzip", id="gzip-twice"),
    pytest.param(gzip.compress(bytes(2**20)) * 100, "gzip", id="many-members"),
    pytest.param(gzip.compress(b"") * 100_000, "gzip", id="many-empty-members"),
]


@pytest.mark.parametrize(("bomb", "coding"), BOMBS)
async def test_a_bomb_is_inflated_to_the_limit_and_no_further(
    gateway: TestGateway, backend: StrictBackend, bomb: bytes, coding: str
):
    """S-24"""
    gateway.deploy(pets("REST", backend.url, minimum_compression_size=0))
    memory, cpu = resident(), time.process_time()
    lines = (f"Content-Encoding: {coding}", f"Content-Length: {len(bomb)}", "Connection: close")
    (answer,) = split_responses(await talk(gateway.url, head(*lines) + b"\r\n" + bomb))
    assert answer.status in (400, 413)
    assert time.process_time() - cpu < 0.5 * SLOWER
    assert resident() - memory < 48 * 2**20
    assert backend.requests == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_without_a_minimum_compression_size_nothing_is_inflated(
    gateway: TestGateway, backend: StrictBackend, protocol: str
):
    """S-24"""
    gateway.deploy(pets(protocol, backend.url))
    bomb = gzip.compress(bytes(64 * 2**20))
    lines = ("Content-Encoding: gzip", f"Content-Length: {len(bomb)}", "Connection: close")
    (answer,) = split_responses(await talk(gateway.url, head(*lines) + b"\r\n" + bomb))
    assert answer.status == 200
    assert backend.requests[0].body == bomb
