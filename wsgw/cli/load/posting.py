"""HTTP/1.1 requests over keep-alive connections, one in flight on each: pushes, and the scenario http."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from ssl import SSLContext
from typing import cast
from urllib.parse import quote, urlsplit

import httptools

from wsgw.cli.load.plan import Plan
from wsgw.cli.load.signing import Signer

# Called with the answer's status (0: the connection broke), its body, and when it was complete.
Answered = Callable[[int, bytes, float], None]

_RETRY = 0.1


class _Connection(asyncio.Protocol):
    """One connection of a Poster."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._answered: Answered | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports are no subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        self._poster.idle(self)

    def send(self, request: bytes, answered: Answered) -> None:
        self._answered = answered
        if self._transport is not None:
            self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body) if self._body else b""
        self._body = []
        answered, self._answered = self._answered, None
        keep = self._parser.should_keep_alive()
        status = self._parser.get_status_code()
        if answered is not None:
            answered(status, body, time.perf_counter())
        if keep:
            self._poster.idle(self)
        else:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(0, str(error or "connection closed").encode(), time.perf_counter())
        self._poster.lost(self)


class Poster:
    """Sends requests over `size` connections; those that find none idle wait, in order."""

    def __init__(self, base: str, size: int, ssl_context: SSLContext | None = None) -> None:
        parts = urlsplit(base)
        self.host = parts.netloc.rpartition("@")[2]
        self._address = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._ssl = ssl_context if parts.scheme == "https" else None
        self._size = size
        self._idle: list[_Connection] = []
        self._waiting: deque[tuple[bytes, Answered]] = deque()
        self._connections: set[_Connection] = set()
        self._reopening: set[asyncio.Task[None]] = set()
        self._open = False

    async def open(self) -> None:
        """Open all connections. Raises OSError where the other side does not listen."""
        self._open = True
        await asyncio.gather(*(self._connect() for _ in range(self._size)))

    async def close(self) -> None:
        """Close all connections; what waits is dropped."""
        self._open = False
        self._waiting.clear()
        for connection in tuple(self._connections):
            connection.close()
        for task in tuple(self._reopening):
            task.cancel()
        await asyncio.gather(*self._reopening, return_exceptions=True)

    def send(self, request: bytes, answered: Answered) -> None:
        """Send `request`, a whole HTTP request, as soon as a connection is idle."""
        if self._idle:
            self._idle.pop().send(request, answered)
        else:
            self._waiting.append((request, answered))

    def idle(self, connection: _Connection) -> None:
        """`connection` can take a request."""
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        """`connection` has ended; while open, another takes its place."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._open:
            task = asyncio.get_running_loop().create_task(self._reopen())
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

    async def _connect(self) -> None:
        host, port = self._address
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self), host, port, ssl=self._ssl)
        self._connections.add(connection)

    async def _reopen(self) -> None:
        while self._open:
            try:
                await self._connect()
                break
            except OSError:
                await asyncio.sleep(_RETRY)


class PushRequests:
    """Builds the posts to @connections of one run: path, token or signature, body."""

    def __init__(self, plan: Plan) -> None:
        parts = urlsplit(plan.management_base())
        self._path = parts.path.rstrip("/")
        host = parts.netloc.rpartition("@")[2]
        token = f"Authorization: Bearer {plan.token}\r\n" if plan.token else ""
        self._head = f"Host: {host}\r\nContent-Type: application/json\r\n{token}".encode()
        self._signer = Signer(plan.credentials, host) if plan.credentials else None

    def build(self, connection_id: str, body: bytes) -> bytes:
        """The post of `body` to `connection_id`."""
        path = f"{self._path}/@connections/{quote(connection_id, safe='')}"
        signature = self._signer.headers("POST", path, body) if self._signer else b""
        return b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (
            path.encode(),
            self._head,
            signature,
            len(body),
            body,
        )


def http_request(plan: Plan, body: bytes) -> bytes:
    """The request of the scenario http: a POST of `body` to the plan's URL, with its headers."""
    parts = urlsplit(plan.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = "".join(f"{name}: {value}\r\n" for name, value in plan.headers)
    if not any(name.lower() == "content-type" for name, _ in plan.headers):
        lines += "Content-Type: application/json\r\n"
    host = parts.netloc.rpartition("@")[2]
    head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
