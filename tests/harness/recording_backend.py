"""A lean HTTP backend for clusters: it writes down who connects and who leaves, thousands of them a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self, cast

from tests.harness.history import BackendConnect, BackendDisconnect, Event

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
_DOWN = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class RecordingBackend:
    """Answers `/connect`, `/disconnect` and everything else with 200; what it is told goes to `record`.

    `/echo` is answered with what was sent to it.
    A handshake's header X-Client names its client, so that `ids` gives the connection id of a client; one that has
    X-Refuse, too, gets a 403. While `down` everything is answered with 503, and not recorded; between `go_away` and
    `come_back` nobody listens.
    """

    def __init__(self, record: Callable[[Event], None]) -> None:
        self.record = record
        self.ids: dict[str, str] = {}
        self.url = ""
        self.down = False
        self.connect_seconds = 0.0
        self.under_way = self.most_under_way = 0
        self.kept: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        self._now = asyncio.get_running_loop().time
        self._port = 0
        await self.come_back()
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    def go_away(self) -> None:
        """Refuse connections, and reset those that there are."""
        self._server.close()
        for transport in list(self.kept):
            transport.abort()

    async def come_back(self) -> None:
        """Listen on the same port as before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Exchange(self), "127.0.0.1", self._port, backlog=2048)
        self._port = self._server.sockets[0].getsockname()[1]

    def reply(self, transport: asyncio.Transport, path: bytes, headers: dict[bytes, str], body: bytes) -> None:
        """Write the answer: that to `/connect` after `connect_seconds`, until when it is one of those `under_way`."""
        answer = self.answer(path, headers, body)
        if path != b"/connect" or not self.connect_seconds:
            transport.write(answer)
            return
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)

        def late() -> None:
            self.under_way -= 1
            if not transport.is_closing():
                transport.write(answer)

        asyncio.get_running_loop().call_later(self.connect_seconds, late)

    def answer(self, path: bytes, headers: dict[bytes, str], body: bytes) -> bytes:
        if self.down:
            return _DOWN
        id = headers.get(b"wsgw-connection-id", "")
        if path == b"/connect":
            accepted = b"x-refuse" not in headers
            self.ids[headers[b"x-client"]] = id
            self.record(BackendConnect(self._now(), id, accepted))
            return _OK if accepted else _FORBIDDEN
        if path == b"/disconnect":
            event, code = headers[b"wsgw-event-id"], int(headers[b"wsgw-disconnect-code"])
            self.record(BackendDisconnect(self._now(), id, event, code))
        elif path == b"/echo":
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        return _OK


class _Exchange(asyncio.Protocol):
    """A connection that a node keeps: one request after the other."""

    def __init__(self, backend: RecordingBackend) -> None:
        self._backend = backend
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._backend.kept.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._backend.kept.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            line, *lines = bytes(self._received[:end]).split(b"\r\n")
            headers = {
                name.lower(): value.strip().decode("latin-1")
                for name, _, value in (one.partition(b":") for one in lines)
            }
            length = int(headers.get(b"content-length", "0"))
            if len(self._received) < end + 4 + length:
                return
            body = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            self._backend.reply(self._transport, line.split(b" ")[1].partition(b"?")[0], headers, body)
