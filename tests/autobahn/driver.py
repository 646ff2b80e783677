"""Drives Autobahn's cases against a WebSocket server, from asyncio.

`FuzzingClient` is what a case calls `self.p`: a WebSocket client that sends what it is told, right or wrong, and keeps
book of who closed what. Its camel-case names are the cases' own.
"""

# ruff: noqa: N802, N803

from __future__ import annotations

import asyncio
import os
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from tests.autobahn.case_loader import load_cases
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import client_frame, handshake, masked

CLOSED, CLOSING, OPEN = 0, 2, 3
DROP_TIMEOUT = (
    2.0 * SLOWER
)  # how long the server may take to close the TCP connection, the closing handshake being done
CASE_TIMEOUT = 300.0


class Verdict(NamedTuple):
    """What Autobahn says about one case: on what was received, and on how the connection was closed."""

    behavior: str
    behavior_close: str
    why: str

    @property
    def good(self) -> bool:
        return {self.behavior, self.behavior_close} <= {"OK", "INFORMATIONAL"}


class Compression:
    """The client's side of permessage-deflate, with the context takeover that `response` leaves it."""

    def __init__(self, response: str) -> None:
        self._parameters = {part.strip().partition("=")[0]: part.partition("=")[2] for part in response.split(";")}
        self._bits = int(self._parameters.get("client_max_window_bits") or 15)
        self._deflater = self._new_deflater()
        self._inflater = zlib.decompressobj(wbits=-15)

    def _new_deflater(self) -> Any:
        return zlib.compressobj(wbits=-self._bits)

    def deflate(self, payload: bytes) -> bytes:
        data = self._deflater.compress(payload) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        if "client_no_context_takeover" in self._parameters:
            self._deflater = self._new_deflater()
        return cast(bytes, data).removesuffix(b"\x00\x00\xff\xff")

    def inflate(self, payload: bytes) -> bytes:
        data = self._inflater.decompress(payload + b"\x00\x00\xff\xff")
        if "server_no_context_takeover" in self._parameters:
            self._inflater = zlib.decompressobj(wbits=-15)
        return data


class FuzzingClient(asyncio.Protocol):
    """One connection, for one case. `finished` is done once the connection is gone and the case has judged it."""

    CLOSE_STATUS_CODE_NORMAL = 1000
    CLOSE_STATUS_CODE_PROTOCOL_ERROR = 1002
    CLOSE_STATUS_CODE_INVALID_PAYLOAD = 1007

    def __init__(self, kind: type[Any], url: str, messages: int | None) -> None:
        self._url = urlsplit(url)
        self._loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[Verdict] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._timers: list[asyncio.TimerHandle] = []
        self._chops: list[bytes] = []
        self._chopping: asyncio.Task[None] | None = None
        self._message: list[bytes] = []
        self._message_head = 0
        self._stream_mask = b""
        self._stream_sent = 0
        self._stream_opcode = 0

        self.factory = SimpleNamespace(isServer=False)
        self.state = CLOSED
        self.connectionWasOpen = False
        self.closedByMe = self.failedByMe = self.droppedByMe = self.wasClean = False
        self.remoteCloseCode: int | None = None
        self.localCloseReason: str | None = None
        self.autoFragmentSize = 0
        self.txFrameStats: Counter[int] = Counter()
        self.createWirelog = False
        self.trafficStats = None
        self.perMessageCompressionOffers: list[Any] = []
        self.perMessageCompressionAccept: Any = None
        self._perMessageCompress: Compression | None = None

        self._case = kind(self)
        if messages is not None and hasattr(self._case, "COUNT"):
            self._case.COUNT = min(messages, self._case.COUNT)
        # Cases that compare with test data deal in bytes, all others in text of one character a byte.
        self._in_bytes = hasattr(kind, "TESTDATA")

    # ---- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        offers = ", ".join(offer.header() for offer in self.perMessageCompressionOffers)
        headers = [("Sec-WebSocket-Extensions", offers)] if offers else []
        key = b64encode(os.urandom(16)).decode()
        self._transport.write(handshake(self._url.path or "/", self._url.netloc, headers, key=key))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.connectionWasOpen and not self._opened():
            return
        while not self.failedByMe and self._read_frame():
            pass

    def _opened(self) -> bool:
        head, end, _ = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end:
            return False
        status_line, *lines = head.decode("latin-1").split("\r\n")
        if " 101 " not in status_line + " ":
            self._fail()
            return False
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if extension := fields.get("sec-websocket-extensions"):
            self._perMessageCompress = Compression(extension)
        del self._buffer[: len(head) + 4]
        self.connectionWasOpen = True
        self.state = OPEN
        self._case.onOpen()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = CLOSED
        for timer in self._timers:
            timer.cancel()
        if self._chopping is not None:
            self._chopping.cancel()
        case = self._case
        case.onConnectionLost(self.failedByMe)
        why = "; ".join(dict.fromkeys((case.result, case.resultClose)))
        self.finished.set_result(Verdict(case.behavior, case.behaviorClose, why))

    def _drop(self) -> None:
        self.droppedByMe = True
        assert self._transport is not None
        self._transport.abort()

    def _fail(self) -> None:
        if self.connectionWasOpen and self.state == CLOSED:
            return
        self.failedByMe = True
        self.wasClean = False
        self._drop()

    # ---- in

    def _read_frame(self) -> bool:
        """Read one frame if there is a whole one."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        length, start = buffer[1], 2
        if length > 125:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return False
            length = int.from_bytes(buffer[2:start], "big")
        if buffer[1] >= 0x80:
            self._fail()
            return False
        if len(buffer) < start + length:
            return False
        first, payload = buffer[0], bytes(buffer[start : start + length])
        del buffer[: start + length]
        if first & 0x0F >= 8:
            self._control(first & 0x0F, payload)
        else:
            self._data(first, payload)
        return True

    def _data(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode not in (0, 1, 2) or (opcode == 0) is not bool(self._message) or first & 0x30:
            self._fail()
            return
        if opcode:
            self._message_head = first
        self._message.append(payload)
        if first < 0x80:
            return
        message, self._message = b"".join(self._message), []
        binary, compressed = self._message_head & 0x0F == 2, self._message_head & 0x40
        try:
            if compressed and self._perMessageCompress is not None:
                message = self._perMessageCompress.inflate(message)
            elif compressed:
                raise ValueError("RSV1 is set")
            if not binary:
                message.decode()
        except (ValueError, zlib.error):
            self._fail()
            return
        self._case.onMessage(message if self._in_bytes else message.decode("latin-1"), binary)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self.sendFrame(10, payload)
        elif opcode == 10:
            self._case.onPong(payload.decode("latin-1"))
        elif opcode == 8 and len(payload) != 1:
            self._closed_by_server(payload)
        else:
            self._fail()

    def _closed_by_server(self, payload: bytes) -> None:
        self.wasClean = True
        if payload:
            self.remoteCloseCode = int.from_bytes(payload[:2], "big")
        if self.state == OPEN:
            self.state = CLOSING
            self.sendFrame(8, payload[:2])
        self._after(DROP_TIMEOUT, self._drop)

    # ---- out, as the cases call it

    def sendFrame(
        self,
        opcode: int,
        payload: str | bytes = "",
        fin: bool = True,
        rsv: int = 0,
        mask: bytes | None = None,
        payload_len: int | None = None,
        chopsize: int | None = None,
        sync: bool = False,
    ) -> None:
        data = _bytes(payload)
        if payload_len is not None:
            data = (data * (payload_len // len(data) + 1))[:payload_len]
        self.txFrameStats[opcode] += 1
        self._write(client_frame(opcode, data, fin=fin, rsv=rsv, mask=mask or os.urandom(4)), chopsize, sync)

    def sendMessage(
        self, payload: str | bytes, isBinary: bool = False, fragmentSize: int | None = None, sync: bool = False
    ) -> None:
        if self.state != OPEN:
            return
        data, rsv = _bytes(payload), 0
        if self._perMessageCompress is not None:
            data, rsv = self._perMessageCompress.deflate(data), 4
        size = fragmentSize or self.autoFragmentSize or max(len(data), 1)
        for start in range(0, max(len(data), 1), size):
            opcode = 0 if start else 2 if isBinary else 1
            fin = start + size >= len(data)
            self.sendFrame(opcode, data[start : start + size], fin, rsv=0 if start else rsv, sync=sync)

    def beginMessage(self, isBinary: bool = False) -> None:
        self._stream_opcode = 2 if isBinary else 1

    def beginMessageFrame(self, length: int) -> None:
        self._stream_mask, self._stream_sent = os.urandom(4), 0
        self._write(client_frame(self._stream_opcode, fin=False, mask=self._stream_mask, length=length))
        self._stream_opcode = 0

    def sendMessageFrameData(self, payload: str | bytes, sync: bool = False) -> None:
        data = _bytes(payload)
        turn = self._stream_sent % 4
        self._write(masked(data, self._stream_mask[turn:] + self._stream_mask[:turn]))
        self._stream_sent += len(data)

    def endMessage(self) -> None:
        self.sendFrame(0)

    def sendClose(self, code: int | None = None, reason: str | None = None) -> None:
        self.sendCloseFrame(code, reason)

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: str | None = None, isReply: bool = False) -> None:
        if self.state != OPEN:
            return
        payload = b"" if code is None else code.to_bytes(2, "big") + _bytes(reasonUtf8 or "")
        self.localCloseReason = reasonUtf8
        self.sendFrame(8, payload)
        self.state = CLOSING
        self.closedByMe = True

    def _write(self, data: bytes, chop: int | None = None, sync: bool = False) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        if not (chop or sync or self._chops):
            self._transport.write(data)
            return
        self._chops += [data[at : at + chop] for at in range(0, len(data), chop)] if chop else [data]
        if self._chopping is None or self._chopping.done():
            self._chopping = self._loop.create_task(self._write_chops())

    async def _write_chops(self) -> None:
        """Write each chop by itself, a turn of the loop apart, so that the server reads them apart."""
        assert self._transport is not None
        while self._chops:
            chops, self._chops = self._chops, []
            for chop in chops:
                self._transport.write(chop)
                await asyncio.sleep(0)

    # ---- timers, as the cases call them

    def _after(self, delay: float, action: Callable[[], None]) -> None:
        self._timers.append(self._loop.call_later(delay, action))

    def continueLater(self, delay: float, fun: Callable[[], None], tag: str | None = None) -> None:
        self._after(delay, fun)

    def killAfter(self, delay: float) -> None:
        self._after(delay * SLOWER, self._fail)

    def closeAfter(self, delay: float) -> None:
        self._after(delay, self.sendClose)

    def enableWirelog(self, enable: bool) -> None:
        self.createWirelog = enable


def _bytes(payload: str | bytes) -> bytes:
    return payload.encode("latin-1") if isinstance(payload, str) else payload


async def run_case(case_id: str, url: str, messages: int | None = None) -> Verdict:
    """Run one case against the echo server at `url`. messages: at most so many, in cases that send a thousand."""
    loop = asyncio.get_running_loop()
    kind = load_cases()[case_id]
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    transport, client = await loop.create_connection(
        lambda: FuzzingClient(kind, url, messages), parts.hostname, parts.port
    )
    try:
        return await asyncio.wait_for(client.finished, CASE_TIMEOUT)
    finally:
        transport.abort()


async def run_cases(
    case_ids: Iterable[str], url: str, *, at_once: int = 24, messages: int | None = None
) -> dict[str, Verdict]:
    """Run these cases, `at_once` side by side; verdicts by id."""
    turns = asyncio.Semaphore(at_once)

    async def run(case_id: str) -> tuple[str, Verdict]:
        async with turns:
            return case_id, await run_case(case_id, url, messages)

    return dict(await asyncio.gather(*(run(case_id) for case_id in case_ids)))
