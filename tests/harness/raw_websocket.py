"""A WebSocket client that sends any bytes, right or wrong, and shows exactly what comes back.

It has its own framing: what it says about the gateway does not rest on the gateway's code.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.harness.pace import SLOWER

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
WAIT = 5.0 * SLOWER
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Frame(NamedTuple):
    """A frame as the server sent it."""

    fin: bool
    rsv: int
    opcode: int
    payload: bytes
    masked: bool = False


class Response(NamedTuple):
    """The head of an HTTP answer, header names in lower case, and its body as far as Content-Length says."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The last value of a header."""
        return dict(self.headers).get(name.lower())


class HandshakeRefused(Exception):
    """The server did not answer 101."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status} {response.body!r}")
        self.response = response


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    length: int | None = None,
    length_bytes: int | None = None,
) -> bytes:
    """A frame's bytes. mask None: not masked; length: what the head claims; length_bytes: 0, 2 or 8 to force a form."""
    claimed = len(payload) if length is None else length
    if length_bytes is None:
        length_bytes = 0 if claimed < 126 else 2 if claimed < 65_536 else 8
    short = {0: claimed, 2: 126, 8: 127}[length_bytes]
    head = bytes((fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | short))
    head += claimed.to_bytes(length_bytes, "big") if length_bytes else b""
    return head + payload if mask is None else head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """`payload` masked, or unmasked: the same thing."""
    stream = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(payload), "big")


def handshake(
    target: str, host: str, headers: Sequence[tuple[str, str]] = (), *, key: str = KEY, without: Sequence[str] = ()
) -> bytes:
    """The bytes of an opening handshake. `headers` are added, those named in `without` left out (any case)."""
    usual = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
    ]
    left_out = {name.lower() for name in without}
    lines = [f"GET {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in usual if name.lower() not in left_out]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class RawSocket:
    """A TCP or TLS connection to a URL's host. `async with` closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def __aenter__(self) -> RawSocket:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.drop()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive_response(self) -> Response:
        """The next HTTP response."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WAIT)
        status_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = int(dict(headers).get("content-length", "0"))
        body = await asyncio.wait_for(self.reader.readexactly(length), WAIT)
        return Response(int(status_line.split()[1]), headers, body)

    async def receive_to_eof(self) -> bytes:
        """Everything until the server closes; what a reset cuts off is lost."""
        received = b""
        try:
            while data := await asyncio.wait_for(self.reader.read(65_536), WAIT):
                received += data
        except ConnectionResetError:
            pass
        return received

    async def drop(self) -> None:
        """Close without a word."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            pass

    def reset(self) -> None:
        """End with a TCP reset, as a client that vanishes does."""
        self.writer.transport.abort()


async def open_socket(
    url: str, tls: ssl.SSLContext | None = None, *, limit: int = 2**22, receive_buffer: int | None = None
) -> RawSocket:
    """Connect to the host and port of `url`; TLS where its scheme says so.

    limit: bytes buffered here, unread; receive_buffer: bytes that the kernel holds beside.
    """
    parts = urlsplit(url)
    secure = parts.scheme in ("wss", "https")
    port = parts.port or (443 if secure else 80)
    context = (tls or ssl.create_default_context()) if secure else None
    where: dict[str, Any] = {"host": parts.hostname, "port": port}
    if receive_buffer is not None:
        small = socket.socket()
        small.setblocking(False)
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(small, (parts.hostname, port))
        where = {"sock": small, "server_hostname": parts.hostname if context else None}
    reader, writer = await asyncio.wait_for(asyncio.open_connection(ssl=context, limit=limit, **where), WAIT)
    return RawSocket(reader, writer)


async def exchange(url: str, request: bytes) -> Response:
    """Send `request` as it is on a new connection; the first response to it."""
    async with await open_socket(url) as socket:
        await socket.send(request)
        return await socket.receive_response()


class RawWebSocket(RawSocket):
    """An open WebSocket. `response` is the 101; `closed` once a close frame or the end of the stream was received."""

    def __init__(self, socket: RawSocket, response: Response) -> None:
        super().__init__(socket.reader, socket.writer)
        self.response = response
        self.closed = False

    async def __aenter__(self) -> RawWebSocket:
        return self

    @classmethod
    async def connect(
        cls,
        url: str,
        headers: Sequence[tuple[str, str]] = (),
        *,
        subprotocols: Sequence[str] = (),
        extensions: str = "",
        tls: ssl.SSLContext | None = None,
        limit: int = 2**22,
        receive_buffer: int | None = None,
    ) -> RawWebSocket:
        """Open `url`. Raises HandshakeRefused with the server's answer if it is no 101."""
        parts = urlsplit(url)
        asked = list(headers)
        if subprotocols:
            asked.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
        if extensions:
            asked.append(("Sec-WebSocket-Extensions", extensions))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        without = [name for name, _ in asked if name.lower() == "host"]
        key = b64encode(os.urandom(16)).decode()
        raw = await open_socket(url, tls, limit=limit, receive_buffer=receive_buffer)
        try:
            await raw.send(handshake(target, parts.netloc, asked, key=key, without=without))
            response = await raw.receive_response()
        except BaseException:
            await raw.drop()
            raise
        if response.status != 101:
            await raw.drop()
            raise HandshakeRefused(response)
        return cls(raw, response)

    # ---- out

    async def send_frame(
        self,
        opcode: int,
        payload: bytes = b"",
        *,
        fin: bool = True,
        rsv: int = 0,
        mask: bytes | None = b"\x01\x02\x03\x04",
    ) -> None:
        await self.send(client_frame(opcode, payload, fin=fin, rsv=rsv, mask=mask))

    async def send_text(self, text: str) -> None:
        await self.send_frame(TEXT, text.encode())

    async def send_json(self, value: Any) -> None:
        await self.send_text(json.dumps(value))

    async def send_close(self, code: int | None = 1000, reason: str = "") -> None:
        """A close frame; an empty one if code is None."""
        await self.send_frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason.encode())

    # ---- in

    async def receive_frame(self) -> Frame | None:
        """The next frame; None at the end of the stream."""
        try:
            return await asyncio.wait_for(self._read_frame(), WAIT)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            self.closed = True
            return None

    async def _read_frame(self) -> Frame:
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        mask = await self.reader.readexactly(4) if second & 0x80 else b""
        payload = await self.reader.readexactly(length)
        opcode = first & 0x0F
        self.closed = self.closed or opcode == CLOSE
        return Frame(first >= 0x80, first >> 4 & 7, opcode, masked(payload, mask) if mask else payload, bool(mask))

    async def receive(self) -> bytes:
        """The next message, its fragments joined; control frames before it are skipped. Fails on a close."""
        parts = []
        while True:
            frame = await self.receive_frame()
            assert frame is not None, "the connection ended instead of a message"
            assert frame.opcode != CLOSE, f"closed instead of a message: {frame.payload!r}"
            if frame.opcode in (PING, PONG):
                continue
            parts.append(frame.payload)
            if frame.fin:
                return b"".join(parts)

    async def receive_text(self) -> str:
        return (await self.receive()).decode()

    async def receive_json(self) -> Any:
        return json.loads(await self.receive())

    async def receive_close(self) -> tuple[int, str]:
        """Code (1005: none) and reason of the close frame, whatever comes before it; 1006 if there is none."""
        while (frame := await self.receive_frame()) is not None:
            if frame.opcode == CLOSE:
                if not frame.payload:
                    return 1005, ""
                return int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()
        return 1006, ""

    async def receive_eof(self) -> bytes:
        """Wait until the server closes the TCP connection; what came before that."""
        received = await self.receive_to_eof()
        self.closed = True
        return received

    async def close(self, code: int | None = 1000, reason: str = "") -> tuple[int, str]:
        """Close as a good client does; gives what the server answered."""
        await self.send_close(code, reason)
        answer = await self.receive_close()
        await self.receive_eof()
        await self.drop()
        return answer
