"""One connection to an HTTP backend: it writes a request, hands back the answer, and says when it is free."""

from __future__ import annotations

import asyncio
import math
import select
from collections.abc import Callable
from typing import Protocol, cast

from wsgw.errors import IntegrationFailure, IntegrationTimeout
from wsgw.integrations.drive import Parked
from wsgw.integrations.http_answer import AnswerReader, Refused
from wsgw.invocation import Reply

#: What a socket's send buffer surely takes at once.
_SHORT_REQUEST = 16_384


class Call:
    """One request on its way: queued while `connection` is None. `future` gets the Reply or a GatewayError."""

    __slots__ = ("connection", "deadline", "future", "is_head", "payload", "repeatable", "retried")

    def __init__(
        self,
        payload: bytes,
        is_head: bool,
        repeatable: bool,
        deadline: float,
        future: asyncio.Future[Reply] | Parked[Reply],
    ) -> None:
        self.payload = payload
        self.is_head = is_head
        self.repeatable = repeatable
        self.deadline = deadline
        self.future = future
        self.retried = False
        self.connection: Connection | None = None

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Owner(Protocol):
    """Who keeps connections: told how the backend does, what to send again, and who is free or gone."""

    def answered(self) -> None: ...
    def failed(self) -> None: ...
    def release(self, connection: Connection) -> None: ...
    def retry(self, call: Call) -> None: ...
    def lost(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """Serves one call at a time. `deadline` is its call's, or, while it is idle, when its owner closes it.

    Connections are aborted, not closed: nothing of worth is left in their buffers, and closing would wait for a backend
    that does not read.
    """

    __slots__ = ("_eof", "_owner", "_readable", "_reader", "_transport", "call", "deadline", "lost", "used")

    _transport: asyncio.Transport
    _readable: Callable[[int], list[tuple[int, int]]] | None

    def __init__(self, owner: Owner, max_body: int) -> None:
        self._owner = owner
        self._reader = AnswerReader(max_body)
        self._eof = False
        self.call: Call | None = None
        self.deadline = math.inf
        self.used = False  # has answered before
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self._readable = None
        # Under TLS, bytes on the socket need not be the backend's words (session tickets), so they say nothing.
        if transport.get_extra_info("ssl_object") is None:
            poll = select.poll()
            poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
            self._readable = poll.poll

    # ---- what the owner does

    def start(self, call: Call) -> bool:
        """Write the request; False, with nothing written, if the backend has closed or spoken out of turn."""
        # The loop may not have seen yet what came since it last looked. Asking the kernel costs 0.4 µs, and makes sure
        # that a backend that closes without a word did so after this request was sent.
        if self._transport.is_closing() or (self._readable is not None and self._readable(0)):
            self.abandon()
            return False
        call.connection = self
        self.call = call
        self.deadline = call.deadline
        self._reader.head_only = call.is_head
        self._transport.write(call.payload)
        return True

    def abandon(self) -> None:
        """Close it with whatever is under way; its call is not told."""
        self.call = None
        self.deadline = math.inf
        self._transport.abort()

    def expire(self) -> None:
        """The deadline has passed."""
        call = self.call
        self.abandon()
        if call is not None:
            call.fail(IntegrationTimeout(detail="no_answer"))
            self._owner.failed()

    def fail(self, reason: str, cause: BaseException | None = None) -> None:
        """Close it, and give its call an IntegrationFailure with the reason code `reason`."""
        call = self.call
        self.abandon()
        if call is not None:
            error = IntegrationFailure(detail=reason)
            error.__cause__ = cause
            call.fail(error)

    # ---- what the transport says

    def data_received(self, data: bytes) -> None:
        call = self.call
        if call is None:
            self.abandon()
            return
        try:
            reply = self._reader.feed(data)
        except Refused as error:
            self.fail(error.reason, error)
            return
        if reply is not None:
            # An answer that comes before its request is written: what would follow is the rest of the request.
            whole = len(call.payload) <= _SHORT_REQUEST or not self._transport.get_write_buffer_size()
            self._finish(call, reply, self._reader.keep and whole)

    def eof_received(self) -> None:
        self._eof = True
        if self._transport.get_write_buffer_size():
            # Left alone, the transport would first wait until the rest of the request is written.
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._owner.lost(self)
        call = self.call
        if call is not None:
            self._end(call, exc)
        self._reader.close()

    def _end(self, call: Call, exc: Exception | None) -> None:
        reply = self._reader.end() if exc is None and self._eof else None
        if reply is not None:
            self._finish(call, reply, False)
        elif self.used and not self._reader.received and call.repeatable and not call.retried:
            self.call = None
            call.retried = True
            self._owner.retry(call)
        else:
            self.fail("connection_reset", exc)
            self._owner.failed()

    def _finish(self, call: Call, reply: Reply, keep: bool) -> None:
        self.call = None
        self.used = True
        self._reader.reset()
        self._owner.answered()
        if keep:
            self._owner.release(self)
        else:
            self.abandon()
        # Last, for it may go on at once with what it was called for, and call again.
        if not call.future.done():
            call.future.set_result(reply)
