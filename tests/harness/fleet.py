"""Clients and callers of a cluster, cheap enough for thousands, which write down what happens to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import quote, urlsplit

from tests.harness.history import ABNORMAL, CLIENT, SERVER, Answered, Asked, Closed, Connected, Event, Received
from tests.harness.raw_websocket import CLOSE, PING, PONG, client_frame, handshake

Record = Callable[[Event], None]


class Refused(Exception):
    """A handshake was answered with another status than 101, or with none (0)."""


class Client(asyncio.Protocol):
    """A WebSocket client that reads all the time. `replies` are messages that are no push: they begin with "{"."""

    def __init__(self, name: str, node: str, ids: dict[str, str], record: Record, head: bytes) -> None:
        self.name, self.node, self.id = name, node, ""
        self.replies: list[bytes] = []
        self.ended = False
        self._ids, self._record, self._head = ids, record, head
        self._received = bytearray()
        self._code: int | None = None
        self._by = SERVER
        self._whole = False
        self._crossed = 0
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self.opened: asyncio.Future[None] = loop.create_future()

    # ---- what a test does with it

    @property
    def open(self) -> bool:
        """Neither side has begun to close."""
        return bool(self.id) and self._code is None and not self.ended

    def send(self, text: str) -> None:
        self._transport.write(client_frame(1, text.encode()))

    def close(self, code: int = 4000) -> None:
        """Say goodbye, and go on reading until the server has closed."""
        if self.open:
            self._code, self._by = code, CLIENT
            self._transport.write(client_frame(CLOSE, code.to_bytes(2, "big")))

    def drop(self) -> None:
        """End with a TCP reset."""
        if self.open:
            self._by = CLIENT
            self._end()
        self._transport.abort()

    # ---- what the loop tells it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.write(self._head)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(Refused(0))
        self._end()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.id and not self._opens():
            return
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == CLOSE:
                self._whole = True
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                if self._code is not None:
                    self._crossed = code if code != self._code else 0
                else:
                    self._code = code
                    self._transport.write(client_frame(CLOSE, payload[:2]))
            elif opcode == PING:
                self._transport.write(client_frame(PONG, payload))
            elif payload.startswith(b"{"):
                self.replies.append(payload)
            elif opcode != PONG and not self.ended:
                self._record(Received(self._now(), self.id, payload.decode()))

    def _opens(self) -> bool:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end or self.opened.done():
            return False
        if (status := int(head.split(b" ", 2)[1])) != 101:
            self.opened.set_exception(Refused(status))
            self._transport.close()
            return False
        self._received = rest
        self.id = self._ids[self.name]
        self._record(Connected(self._now(), self.id, self.node))
        self.opened.set_result(None)
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        """The next frame, if it is there: of a server, whole, shorter than 64 KiB."""
        received = self._received
        if len(received) < 2:
            return None
        start, length = 2, received[1]
        assert length < 127, "a longer frame than any that is pushed"
        if length == 126:
            start, length = 4, int.from_bytes(received[2:4], "big")
        if len(received) < start + length:
            return None
        frame = received[0] & 15, bytes(received[start : start + length])
        del received[: start + length]
        return frame

    def _end(self) -> None:
        if self.id and not self.ended:
            self.ended = True
            code = ABNORMAL if self._code is None else self._code
            self._record(Closed(self._now(), self.id, code, self._by, self._whole, self._crossed))


async def connect(
    url: str, name: str, node: str, ids: dict[str, str], record: Record, *, refuse: bool = False
) -> Client:
    """A client that has read its 101. Raises Refused, and OSError where nobody listens."""
    parts = urlsplit(url)
    headers = [("X-Client", name), *([("X-Refuse", "1")] if refuse else [])]
    head = handshake("/prod", parts.netloc, headers)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(name, node, ids, record, head), parts.hostname, parts.port)
    await asyncio.wait_for(client.opened, 10)
    return client


class Caller:
    """Posts to connections over one kept HTTP connection to a node, one after the other, each to a random one.

    targets: gives the connections that there are; pause: seconds between an answer and the next post
    """

    def __init__(
        self, name: str, via: str, url: str, targets: Callable[[], Sequence[str]], record: Record, pause: float
    ) -> None:
        self._name, self._via, self._parts = name, via, urlsplit(url)
        self._targets, self._record, self._pause = targets, record, pause
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._stopping = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        self.count = 0

    def stop(self) -> None:
        """Finish the post that is on its way, and no more."""
        self._stopping.set()

    async def run(self) -> None:
        try:
            while not self._stopping.is_set():
                if targets := self._targets():
                    await self._post(random.choice(targets))
                try:
                    await asyncio.wait_for(self._stopping.wait(), self._pause)
                except TimeoutError:
                    pass
        finally:
            self._hang_up()

    async def _post(self, connection: str) -> None:
        self.count += 1
        push = f"{self._name}.{self.count}"
        self._record(Asked(self._now(), push, connection, self._name, self._via))
        try:
            status = await asyncio.wait_for(self._exchange(connection, push.encode()), 15)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            status = 0
            self._hang_up()
        self._record(Answered(self._now(), push, status))
        if status == 0:
            # The node is gone: no need to hurry.
            await asyncio.sleep(0.1)

    async def _exchange(self, connection: str, body: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        reader, writer = self._streams
        head = f"POST /prod/@connections/{quote(connection)} HTTP/1.1\r\nHost: {self._parts.netloc}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = answer.partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or b"0"))
        if b"connection: close" in answer:
            self._hang_up()
        return int(answer.split(b" ", 2)[1])

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
