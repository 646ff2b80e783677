"""One connection to an HTTP backend: it writes a request, hands back the answer, and says when it is free."""

from __future__ import annotations

import asyncio
import math
import select
from collections.abc import Callable
from typing import Protocol, cast

from wsgw.errors import GatewayError, IntegrationFailure, IntegrationTimeout
from wsgw.integrations.http_answer import AnswerReader, Refused
from wsgw.integrations.http_call import Bounds, Call
from wsgw.integrations.http_heads import KnownHeads
from wsgw.integrations.http_stream import AnswerStream
from wsgw.integrations.http_upload import Upload
from wsgw.invocation import Reply

#: What a socket's send buffer surely takes at once.
_SHORT_REQUEST = 16_384


class Owner(Protocol):
    """Who keeps connections: told how the backend does, what to send again, and who is free or gone.

    deadline: the time `seconds` from now, which is watched.
    """

    def answered(self) -> None: ...
    def failed(self) -> None: ...
    def release(self, connection: Connection) -> None: ...
    def retry(self, call: Call) -> None: ...
    def lost(self, connection: Connection) -> None: ...
    def deadline(self, seconds: float) -> float: ...


class Connection(asyncio.Protocol):
    """Serves one call at a time. `deadline` is its call's, or, while it is idle, when its owner closes it.

    Connections are aborted, not closed: nothing of worth is left in their buffers, and closing would wait for a backend
    that does not read.
    """

    __slots__ = (
        "_bounds",
        "_eof",
        "_heads",
        "_owner",
        "_readable",
        "_reader",
        "_transport",
        "call",
        "deadline",
        "lost",
        "used",
    )

    _transport: asyncio.Transport
    _readable: Callable[[int], list[tuple[int, int]]] | None

    def __init__(self, owner: Owner, bounds: Bounds, heads: KnownHeads) -> None:
        self._owner = owner
        self._heads = heads
        self._bounds = bounds
        self._reader = AnswerReader(bounds.whole)
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
        # The loop may not have seen yet what came since it last looked. Asking the kernel costs a system call and makes
        # sure that a backend that closes without a word did so after this request was sent. What may be sent again if
        # it was not needs no such certainty.
        if self._transport.is_closing() or (not call.repeatable and self._readable is not None and self._readable(0)):
            self.abandon()
            return False
        call.connection = self
        self.call = call
        self.deadline = call.deadline
        self._reader.head_only = call.is_head
        self._reader.most = self._bounds.stream if call.streams else self._bounds.whole
        self._transport.write(call.payload)
        if call.upload is not None:
            call.upload.start(self)
        return True

    def certificate(self) -> bytes | None:
        """What the backend has shown, DER; None without TLS."""
        tls = self._transport.get_extra_info("ssl_object")
        return None if tls is None else tls.getpeercert(True)

    def abandon(self) -> None:
        """Close it with whatever is under way; its call is not told."""
        call, self.call = self.call, None
        self.deadline = math.inf
        self._transport.abort()
        if call is not None and call.upload is not None:
            call.upload.stop()

    def expire(self) -> None:
        """The deadline has passed."""
        call = self.call
        self.abandon()
        if call is not None:
            call.fail(IntegrationTimeout(detail="no_answer" if call.answer is None else "no_more"))
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
        reader = self._reader
        if not reader.received and not call.is_head:
            reply = self._heads.reply(data)
            if reply is not None:
                self._finish(call, reply, self._is_written(call))
                return
        try:
            reply = reader.feed(data)
        except Refused as error:
            self.fail(error.reason, error)
            return
        if reply is not None:
            if reader.received == len(data) and reader.plain:
                self._heads.learn(data, reply)
            self._finish(call, reply, reader.keep and self._is_written(call))
        elif call.streams:
            self._pass_on(call)

    def _is_written(self, call: Call) -> bool:
        """Whether the request has been; behind an answer that comes before, what follows is the rest of the request."""
        if call.upload is not None:
            return call.upload.done and not self._transport.get_write_buffer_size()
        return len(call.payload) <= _SHORT_REQUEST or not self._transport.get_write_buffer_size()

    def _pass_on(self, call: Call) -> None:
        """Give out what has come of an answer that is not complete."""
        answer = call.answer
        if answer is not None:
            piece = self._reader.take()
            if piece:
                self.deadline = self._owner.deadline(self._bounds.silence)
                answer.put(piece)
            return
        try:
            head = self._reader.head()
        except Refused as error:
            self.fail(error.reason, error)
            return
        if head is not None:
            reply, length = head
            reply.stream = call.answer = AnswerStream(self, length)
            self._owner.answered()
            self.deadline = self._owner.deadline(self._bounds.silence)
            if not call.future.done():
                call.future.set_result(reply)

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
        if self._reader.received:
            self._reader.reset()
        if call.upload is not None:
            call.upload.stop()
        if call.answer is not None and call.answer.paused and not self._transport.is_closing():
            self._transport.resume_reading()
        self._owner.answered()
        if keep:
            self._owner.release(self)
        else:
            self.abandon()
        # Last, for it may go on at once with what it was called for, and call again.
        if call.answer is not None:
            call.answer.finish(reply.body)
        elif not call.future.done():
            call.future.set_result(reply)

    # ---- what streams ask for

    def pause_reading(self) -> None:
        """The backend is not read: it is not its fault if nothing comes."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
            self.deadline = math.inf

    def resume_reading(self) -> None:
        if self.call is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self.deadline = self._owner.deadline(self._bounds.silence)

    def leave(self, stream: AnswerStream) -> None:
        if self.call is not None and self.call.answer is stream:
            self.abandon()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def pause_writing(self) -> None:
        if self.call is not None and self.call.upload is not None:
            self.call.upload.writable.clear()

    def resume_writing(self) -> None:
        if self.call is not None and self.call.upload is not None:
            self.call.upload.writable.set()

    def await_client(self) -> None:
        if self.call is not None and self.call.answer is None:
            self.deadline = math.inf

    def await_backend(self, timeout: float) -> None:
        if self.call is not None and self.call.answer is None:
            self.deadline = self._owner.deadline(timeout)

    def give_up(self, upload: Upload, error: GatewayError) -> None:
        call = self.call
        if call is not None and call.upload is upload:
            self.abandon()
            call.fail(error)
