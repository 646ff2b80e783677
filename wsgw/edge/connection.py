"""One client: its socket, the frames in and out, its turn-taking and its bounded outbox.

The transport's own write buffer is the outbox. Its high-water mark is 0, so a write goes to the kernel at once or the
loop calls `pause_writing`: `send` therefore knows whether the bytes are on the socket, without a system call more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from wsgw.caller import ConnectionFacts
from wsgw.edge.deflate import deflated
from wsgw.edge.frame_reader import FrameReader, whole_text
from wsgw.edge.frames import (
    ABNORMAL,
    BINARY,
    NORMAL,
    TEXT,
    Close,
    Message,
    Ping,
    ProtocolFailure,
    close_frame,
    frames_for,
    ping_frame,
    pong_frame,
)
from wsgw.edge.refreshes import MARK
from wsgw.errors import Gone, LimitExceeded
from wsgw.live.route_table import LiveSocketStage, StageSlot
from wsgw.observe.metrics import count

if TYPE_CHECKING:
    from wsgw.edge.node import Node

#: Seconds that a client has to hang up once both have said close.
_LINGER = 1.0
#: Shorter messages go out as they are: deflating them costs more than it saves.
_WORTH_DEFLATING = 200

#: What waits for a push to leave the outbox: called with True once it is on the socket, False if it never will be.
Taken = Callable[[bool], None]


class Connection(ConnectionFacts, asyncio.Protocol):
    """A client from its 101 to the end of its socket. Only this class writes to the transport.

    Times are seconds of the node's clock. `close_code` and `close_reason` are what `$disconnect` says; code 0: open.
    `refresh`: the end of the token in whose place another was asked for; see refreshes.py.
    `window_bits`: of what permessage-deflate was agreed on for outgoing messages; 0: it was not.
    `inbox`: messages that wait for their turn. For lifetime.py, 0 where it is not so: `stalled_since`, the client takes
    nothing more; `partial_since`, a message of it is incomplete; `awaiting_pong`, it has yet to answer a ping.
    """

    __slots__ = (
        "_reader",
        "_running",
        "_waiters",
        "awaiting_pong",
        "close_code",
        "close_reason",
        "closing_since",
        "heard_at",
        "inbox",
        "last_active",
        "lost",
        "node",
        "opened_at",
        "partial_since",
        "refresh",
        "slice",
        "slot",
        "stalled_since",
        "transport",
        "window_bits",
    )

    def __init__(self, node: Node, slot: StageSlot[LiveSocketStage], id: str) -> None:
        self.node = node
        self.slot = slot
        self.id = id
        super().__init__()
        self.transport: asyncio.Transport | None = None
        self.slice = -1
        self.opened_at = self.last_active = self.heard_at = node.now()
        self.closing_since = 0.0
        self.close_code = 0
        self.close_reason = ""
        self.lost = False
        self.window_bits = 0
        self.refresh = 0.0
        self._reader: FrameReader | None = None
        self._running = 0
        self.inbox: deque[Message] | None = None
        self._waiters: deque[Taken] | None = None
        self.stalled_since = 0.0
        self.partial_since = 0.0
        self.awaiting_pong = 0.0

    # ---- in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a transport whose 101 has been written; the node has this connection from here on."""
        self.transport = cast(asyncio.Transport, transport)
        # A TLS transport pauses at its mark, others above it; it says nothing of the 64 KiB that TCP may hold below it.
        secure = transport.get_extra_info("sslcontext") is not None
        self.transport.set_write_buffer_limits(high=1 if secure else 0, low=0)
        self.node.add(self)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.node.now()
        live = self.slot.live
        if self._reader is None and not self.close_code and live is not None:
            text = whole_text(data, live.text_bytes)
            if text is not None:
                self._message(text, False)
                return
        self._read(data)

    def _read(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            reader = self._reader = FrameReader(self.node.frame_rules(self))
        for event in reader.feed(data):
            if isinstance(event, Message):
                self.partial_since = 0.0
                if not self.close_code:
                    self._message(event.data, event.binary)
            elif isinstance(event, ProtocolFailure):
                self.fail(event.code, event.reason)
            elif isinstance(event, Close):
                self._closed_by_client(event)
            else:
                self._ping_or_pong(event.payload if isinstance(event, Ping) else None)
        if reader.idle:
            # Most clients send whole frames: an idle reader would cost each of them memory.
            self._reader = None
            self.partial_since = 0.0
        elif not self.partial_since and not reader.ended:
            self.partial_since = self.heard_at
            self.node.hasten(self, self.heard_at + self.node.settings.body_seconds)

    def _message(self, payload: bytes, binary: bool) -> None:
        node = self.node
        live = self.slot.live
        if (
            live is not None
            and live.token_expiry == "REFRESH"
            and not binary
            and MARK in payload
            # Ahead of its turn: messages that wait for their backends must not cost a client its connection.
            and node.on_refresh(self, payload)
        ):
            return
        self.last_active = self.heard_at
        if self._running < (live.concurrency if live is not None else 1):
            self._running += 1
            node.start(self._work(Message(payload, binary)))
            return
        if self.inbox is None:
            self.inbox = deque()
        self.inbox.append(Message(payload, binary))
        if len(self.inbox) >= node.settings.inbox_messages and self.transport is not None:
            # The client's own socket buffer holds the rest: a fast sender waits, nobody else notices.
            self.transport.pause_reading()

    async def _work(self, message: Message) -> None:
        """Answer `message`, then what came meanwhile, then, if the client has gone, its `$disconnect`."""
        node = self.node
        while True:
            await node.on_message(self, message)
            inbox = self.inbox
            if not inbox:
                break
            message = inbox.popleft()
            if len(inbox) == node.settings.inbox_messages // 2 and self.transport is not None:
                self.transport.resume_reading()
                if self.partial_since:
                    self.partial_since = node.now()
        self.inbox = None
        self._running -= 1
        if self.lost and not self._running:
            await node.on_disconnect(self)

    def _ping_or_pong(self, ping: bytes | None) -> None:
        self.awaiting_pong = 0.0
        if self.node.settings.count_pings:
            self.last_active = self.heard_at
        # A client that floods pings without reading our pongs gets no more of them: the last one answers all of
        # those before it (RFC 6455 §5.5.3).
        if ping is not None and not self.stalled_since and self._open():
            self._write(pong_frame(ping))

    # ---- out

    def _open(self) -> bool:
        return self.transport is not None and not self.close_code and not self.transport.is_closing()

    def _write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def send(self, payload: bytes, binary: bool = False) -> bool:
        """Send one message. True: it is on the socket; False: it waits in the outbox, see `when_taken`.

        Raises Gone if the connection is closed or closing, LimitExceeded if the outbox has no room for it.
        """
        transport = self.transport
        if transport is None or self.close_code or transport.is_closing():
            raise Gone
        if self.stalled_since and transport.get_write_buffer_size() + len(payload) > self.node.settings.outbox_bytes:
            count("outbox_full")
            raise LimitExceeded
        compressed = False
        if self.window_bits and len(payload) >= _WORTH_DEFLATING:
            smaller = deflated(payload, self.window_bits)
            if compressed := len(smaller) < len(payload):
                payload = smaller
        opcode = BINARY if binary else TEXT
        transport.write(frames_for(payload, opcode, self.node.settings.fragment_bytes, compressed=compressed))
        self.last_active = self.node.now()
        return not self.stalled_since

    def ping(self) -> None:
        """Ask the client whether it is there, unless what was sent before waits for it already."""
        if not self.stalled_since and self._open():
            self._write(ping_frame(b""))

    def when_taken(self, taken: Taken) -> None:
        """Call `taken` once everything sent so far is on the socket, or will never be."""
        if self._waiters is None:
            self._waiters = deque()
        self._waiters.append(taken)

    def pause_writing(self) -> None:
        self.stalled_since = self.node.now()
        self.node.hasten(self, self.stalled_since + self.node.settings.stall_seconds)

    def resume_writing(self) -> None:
        self.stalled_since = 0.0
        self._settle(True)

    def _settle(self, taken: bool) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            waiter(taken)

    # ---- the end

    def close(self, code: int, reason: str, *, tell: int | None = None) -> None:
        """Begin to close: the close frame goes out, `$disconnect` will say `code` and `reason`. Again is nothing.

        tell: the code on the wire, where it is another than `code`.
        """
        if self.close_code:
            return
        self._begin_to_end(code, reason)
        if self.transport is not None and not self.transport.is_closing():
            self._write(close_frame(code if tell is None else tell, reason))

    def _begin_to_end(self, code: int, reason: str) -> None:
        self.close_code = code
        self.close_reason = reason
        self.closing_since = self.node.now()
        # From here on a push to this connection is 410, although its socket may live until the client has answered.
        self.node.remove(self)
        self.node.hasten(self, self.closing_since + self.node.settings.close_seconds)
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def fail(self, code: int, reason: str) -> None:
        """Fail the connection (RFC 6455 §7.1.7). What still comes is read and dropped, so that no TCP reset overtakes
        the close frame; the sweep ends it."""
        if self.close_code:
            self._finish()
            return
        self.close(code, reason)
        if self.transport is not None and self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()

    def _closed_by_client(self, close: Close) -> None:
        if not self.close_code:
            code, reason = close.code, close.reason
            if code == 1005 and not reason:
                reason = "Client-side close frame status not set"
            self._begin_to_end(code, reason)
            if self.transport is not None and not self.transport.is_closing():
                self._write(close_frame(close.code, close.reason))
        self._finish()

    def _finish(self) -> None:
        """End the TCP connection first, as the server does (RFC 6455 §7.1.1), behind what is still in the outbox."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        # Closing both ways with input unread would send a reset, which may overtake the close frame. What the client
        # still sends is read and dropped until it closes, too; the sweep ends it if it does not.
        if not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        now, settings = self.node.now(), self.node.settings
        # Nothing is left to say: a client that does not hang up either is not given as long as one that must answer.
        self.closing_since = now - max(0.0, settings.close_seconds - _LINGER)
        self.node.hasten(self, now + _LINGER)

    def abort(self, code: int, reason: str) -> None:
        """Drop the client without a word: it does not listen."""
        if not self.close_code:
            self._begin_to_end(code, reason)
        if self.transport is not None:
            self.transport.abort()

    def eof_received(self) -> bool | None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.close_code:
            self._begin_to_end(ABNORMAL, "Connection lost")
        self.lost = True
        self.transport = None
        self._reader = None
        self.node.forget(self)
        self._settle(False)
        if not self._running:
            self._running = 1
            self.node.start(self.node.on_disconnect(self))

    def end_normally(self) -> None:
        """`DELETE` over @connections."""
        self.close(NORMAL, "Connection Closed Normally")
