"""An HTTP backend that does one thing to every connection, most of them wrong; no HTTP library between it and the wire.

    async with bad_backend(hang) as backend:
        … backend.url …

A behaviour is called once per connection and may read requests from it and write any bytes. `backend.connections`
counts them, `backend.requests` keeps every request that was read, `backend.sent` the bytes of `endless` answers.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.harness.ports import free_port


class Request(NamedTuple):
    """A request as it came. `head` has the request line and the header lines, without the empty line."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    @property
    def headers(self) -> list[bytes]:
        return self.head.split(b"\r\n")[1:]


class Exchange:
    """One connection as a behaviour sees it. `number` counts from 1."""

    def __init__(
        self, backend: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.backend = backend
        self.reader = reader
        self.writer = writer
        self.number = number

    async def request(self) -> Request | None:
        """The next request; None when the gateway has closed."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n"))[:-4]
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            request = Request(head, await self.reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self.backend.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]


class Backend:
    """What a test sees of its backend."""

    def __init__(self) -> None:
        self.url = ""
        self.port = 0
        self.connections = 0
        self.requests: list[Request] = []
        self.sent = 0

    async def held_back(self) -> None:
        """Return once an `endless` answer has begun and gets no further, since nobody takes it; fails after 20 s."""
        before, still = 0, 0
        async with asyncio.timeout(20):
            # Several times in a row: one pause alone may be over before the loop has looked at a socket.
            while still < 4:
                before, still = self.sent, still + 1 if before and before == self.sent else 0
                await asyncio.sleep(0.05)


@asynccontextmanager
async def bad_backend(
    behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Backend]:
    backend = Backend()
    running: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend.connections += 1
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        writers.add(writer)
        try:
            await behaviour(Exchange(backend, reader, writer, backend.connections))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            running.discard(task)
            if behaviour not in LEAVES_OPEN:
                writer.close()

    server = await asyncio.start_server(serve, host, port, ssl=tls, limit=2**20, backlog=2048)
    backend.port = server.sockets[0].getsockname()[1]
    backend.url = f"{'https' if tls else 'http'}://{'localhost' if tls else host}:{backend.port}/"
    try:
        yield backend
    finally:
        # asyncio's server must not be closed while it accepts: it would leave those sockets open.
        before = -1
        while before != backend.connections:
            before = backend.connections
            await turns()
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await turns()


@asynccontextmanager
async def running(behaviour: Behaviour | None) -> AsyncIterator[tuple[str, Backend | None]]:
    """A backend's URL, and the backend unless it is one that refuses."""
    if behaviour is None:
        yield f"http://127.0.0.1:{closed_port()}/", None
        return
    async with bad_backend(behaviour) as backend:
        yield backend.url, backend


async def turns(count: int = 20) -> None:
    """Let the loop go round: transports take some turns to open and to close."""
    for _ in range(count):
        await asyncio.sleep(0)


def closed_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and that no other test is given by the system."""
    return free_port()


# ---- well behaved, to compare with


def answer(body: bytes = b"ok", status: str = "200 OK", headers: bytes = b"") -> bytes:
    """A complete answer."""
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status.encode(), headers, len(body), body)


async def echo(exchange: Exchange) -> None:
    """Every body back to its sender."""
    while (request := await exchange.request()) is not None:
        await exchange.send(answer(request.body))


def says(*pieces: bytes) -> Behaviour:
    """These bytes for the first request of a connection, piece by piece, then its end."""

    async def behaviour(exchange: Exchange) -> None:
        if await exchange.request() is None:
            return
        for piece in pieces:
            await exchange.send(piece)
            await asyncio.sleep(0)

    return behaviour


def says_always(data: bytes) -> Behaviour:
    """These bytes for every request, and the connection stays open."""

    async def behaviour(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            await exchange.send(data)

    return behaviour


# ---- badly behaved


async def hang(exchange: Exchange) -> None:
    """Reads everything, says nothing."""
    while await exchange.request() is not None:
        pass


async def reset_at_once(exchange: Exchange) -> None:
    """Resets as soon as the request is there."""
    await exchange.request()
    exchange.reset()


async def close_at_once(exchange: Exchange) -> None:
    """Accepts and closes."""


async def reset_mid_answer(exchange: Exchange) -> None:
    await exchange.request()
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome")
    await asyncio.sleep(0.02)
    exchange.reset()


async def trickle(exchange: Exchange) -> None:
    """A valid answer, a byte every 20 ms: one or two minutes of it."""
    await exchange.request()
    for at in answer(b"x" * 5000):
        await exchange.send(bytes([at]))
        await asyncio.sleep(0.02)


def endless(head: bytes, chunk: bytes = b"x" * 65_536, total: int = 2**30) -> Behaviour:
    """`head`, then `chunk` again and again up to 1 GB."""

    async def behaviour(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(head)
        while exchange.backend.sent < total:
            await exchange.send(chunk)
            exchange.backend.sent += len(chunk)

    return behaviour


gigabyte = endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
gigabyte_chunked = endless(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65_536 + b"\r\n"
)
gigabyte_of_small_chunks = endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 8192)
gigabyte_to_the_end = endless(b"HTTP/1.1 200 OK\r\n\r\n")
endless_head = endless(b"HTTP/1.1 200 OK\r\n", b"X-Line: " + b"x" * 8000 + b"\r\n")
endless_header = endless(b"HTTP/1.1 200 OK\r\nX-One: ")
endless_interim = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1024)
nonsense = says(b"\x16\x03\x01 this is no HTTP at all\r\n\r\n")


async def closes_kept(exchange: Exchange) -> None:
    """Answers, promises nothing, and closes."""
    await exchange.request()
    await exchange.send(answer())


async def drops_second(exchange: Exchange) -> None:
    """Answers the first request of a connection; reads the second and closes without a word."""
    await exchange.request()
    await exchange.send(answer())
    await exchange.request()


async def answers_early(exchange: Exchange) -> None:
    """Answers as soon as it sees the head, and never reads the body."""
    await exchange.reader.readuntil(b"\r\n\r\n")
    await exchange.send(answer(b"too much", "413 Content Too Large"))
    await asyncio.sleep(60)


async def speaks_out_of_turn(exchange: Exchange) -> None:
    """Answers each request twice, the second time a little later."""
    while await exchange.request() is not None:
        await exchange.send(answer(b"mine"))
        await asyncio.sleep(0.02)
        await exchange.send(answer(b"nobody's"))


async def greets(exchange: Exchange) -> None:
    """Speaks first, as other protocols do."""
    await exchange.send(b"220 ready\r\n")
    await exchange.request()


#: These have ended their connections themselves.
LEAVES_OPEN: tuple[Behaviour, ...] = (reset_at_once, reset_mid_answer)

#: How it looks to a caller that a backend failed before it had sent the head of its answer.
NETWORK, TOO_LATE, TOO_LARGE = "network", "too late", "too large"
#: What a backend does (None: there is none), by its name, and how that looks.
BEFORE_THE_HEAD: list[tuple[str, Behaviour | None, str]] = [
    ("refuses", None, NETWORK),
    ("hangs", hang, TOO_LATE),
    ("resets-at-once", reset_at_once, NETWORK),
    ("closes-at-once", close_at_once, NETWORK),
    ("resets-mid-answer", reset_mid_answer, NETWORK),
    ("closes-mid-answer", says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome"), NETWORK),
    ("trickles", trickle, TOO_LATE),
    ("gigabyte", gigabyte, TOO_LARGE),
    ("endless-head", endless_head, NETWORK),
    ("endless-header", endless_header, NETWORK),
    ("endless-interim-answers", endless_interim, NETWORK),
    ("nonsense", nonsense, NETWORK),
    ("another-protocol", greets, NETWORK),
    ("two-lengths", says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), NETWORK),
    (
        "length-and-chunks",
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        NETWORK,
    ),
    ("another-coding", says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), NETWORK),
    ("status-of-letters", says(b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"), NETWORK),
    ("switches-protocols", says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nxx"), NETWORK),
]
#: What it does once the head is sent.
IN_THE_BODY: list[tuple[str, Behaviour]] = [
    ("closes-mid-chunk", says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nsome")),
    ("resets-far-on", says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x" * 70_000)),
    ("gigabyte-in-chunks", gigabyte_chunked),
    ("gigabyte-in-small-chunks", gigabyte_of_small_chunks),
    ("gigabyte-to-the-end", gigabyte_to_the_end),
]
