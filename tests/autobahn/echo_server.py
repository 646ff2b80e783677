"""An echo server on the frame codec alone: what Autobahn says about it, it says about the codec."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from wsgw.edge.deflate import Agreement, deflated, negotiate
from wsgw.edge.frame_reader import FrameReader, whole_text
from wsgw.edge.frames import (
    BINARY,
    TEXT,
    Close,
    FrameRules,
    Message,
    Ping,
    ProtocolFailure,
    close_frame,
    frames_for,
    pong_frame,
)
from wsgw.edge.handshake import Upgrade, check_upgrade

# The suite sends messages of 16 MiB, and of 65,536 fragments.
RULES = FrameRules(frame_bytes=0, message_bytes=2**25, fragments=100_000)
DEFLATE_RULES = FrameRules(frame_bytes=0, message_bytes=2**25, fragments=100_000, compression=True)


class EchoConnection(asyncio.Protocol):
    """Echoes messages, answers pings, closes as RFC 6455 wants it."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._rules = RULES
        self._agreement: Agreement | None = None
        self._reader: FrameReader | None = None
        self._open = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        if not self._open:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._upgrade(head.decode("latin-1"))
        if self._reader is None and (text := whole_text(data, self._rules.text_bytes)) is not None:
            self._echo(text, TEXT)
            return
        if self._reader is None:
            self._reader = FrameReader(self._rules)
        self._read(self._reader, data)

    def _upgrade(self, head: str) -> None:
        request_line, *lines = head.split("\r\n")
        method, _, version = request_line.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        upgrade = check_upgrade(method, version.removeprefix("HTTP/"), headers)
        assert isinstance(upgrade, Upgrade)
        self._agreement = negotiate(upgrade.extensions)
        answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        answer.append(f"Sec-WebSocket-Accept: {upgrade.accept}")
        if self._agreement is not None:
            answer.append(f"Sec-WebSocket-Extensions: {self._agreement.response}")
            self._rules = DEFLATE_RULES
        self._write(("\r\n".join(answer) + "\r\n\r\n").encode())
        self._open = True

    def _read(self, reader: FrameReader, data: bytes) -> None:
        for event in reader.feed(data):
            if isinstance(event, Message):
                self._echo(event.data, BINARY if event.binary else TEXT)
            elif isinstance(event, Ping):
                self._write(pong_frame(event.payload))
            elif isinstance(event, Close | ProtocolFailure):
                self._end(close_frame(event.code, event.reason))
        if reader.idle:
            self._reader = None

    def _echo(self, payload: bytes, opcode: int) -> None:
        if self._agreement is None:
            self._write(frames_for(payload, opcode, 0))
        else:
            self._write(frames_for(deflated(payload, self._agreement.window_bits), opcode, compressed=True))

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def _end(self, frame: bytes) -> None:
        # Closing with input unread would send a reset, which may overtake the close frame; the client closes next.
        assert self._transport is not None
        self._ended = True
        self._write(frame)
        self._transport.write_eof()


@asynccontextmanager
async def codec_echo() -> AsyncIterator[str]:
    """Serve on a free port of loopback; gives the URL."""
    server = await asyncio.get_running_loop().create_server(EchoConnection, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
