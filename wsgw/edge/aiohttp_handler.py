"""aiohttp's handler of one client socket, with our error bodies, and bounds on time and size that it has not.

It uses private names of aiohttp 3.14, as `aiohttp_door` does: the minor version is pinned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from wsgw.edge.http import error_reply, reply_bytes
from wsgw.edge.outlet import Outlet
from wsgw.errors import BadRequest, GatewayError
from wsgw.invocation import Reply
from wsgw.settings import Settings

if TYPE_CHECKING:
    from wsgw.edge.aiohttp_door import Server

log = logging.getLogger("wsgw.http")

_JSON = (("Content-Type", "application/json"),)
TIMED_OUT = Reply(408, b'{"message":"Request Timeout"}', _JSON)
HEAD_TOO_LARGE = Reply(431, b'{"message":"Request Header Fields Too Large"}', _JSON)
#: How a body in chunks ends when it has no trailers.
_LAST_CHUNK = b"\r\n0\r\n\r\n"
#: A body in chunks of a byte takes six times its size; one that takes more than this is not about its content.
_MOST_FRAMING = 16


class Raw:
    """What aiohttp takes for a response: bytes that are whole already. `keep_alive` is read after it was sent."""

    __slots__ = ("_data", "keep_alive")

    def __init__(self, data: bytes, keep_alive: bool) -> None:
        self._data = data
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        if request.transport is not None and self._data:
            request.transport.write(self._data)
            # A client that does not read its answers gets no more of them until it does.
            await request.writer.drain()

    async def write_eof(self) -> None:
        pass


class Handler(RequestHandler):
    """aiohttp's connection handler with our error bodies, and bounds on how long a client may take, and how much.

    Each `…_since` is when, by `now`, a head or a body began to come, or answers to wait for being read; 0: none does.
    `in_body`: a body is coming, or may be. `outlet`: an answer is passed on as it comes.
    """

    __slots__ = (
        "_body_waited",
        "_chunked",
        "_finished",
        "_last",
        "_now",
        "_received",
        "_said",
        "_server",
        "_socket",
        "_tail",
        "body_since",
        "head_since",
        "in_body",
        "outlet",
        "stalled_since",
    )

    def __init__(self, server: Server, now: Callable[[], float], **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._now = now
        self._said = False
        self._finished = 0  # requests; `_request_count` is how many have come
        self._received = 0  # bytes of the head or body that is coming
        self._socket: asyncio.Transport | None = None  # until it is closed; `transport` is let go of earlier
        self.head_since = self.body_since = self.stalled_since = 0.0
        self.outlet: Outlet | None = None
        self.in_body = False
        self._body_waited = 0.0
        self._chunked: StreamReader | None = None  # the body of the newest request, while it comes in chunks
        self._tail = b""  # the last bytes that came
        self._last: float = inf  # the number of the last request that may be answered

    @property
    def is_last(self) -> bool:
        """Nothing behind the request that is being answered can be told apart from it."""
        return self._finished + 1 >= self._last

    @property
    def is_over(self) -> bool:
        """The last request that may be answered has been."""
        return self._finished >= self._last

    @property
    def keeps_none(self) -> bool:
        """Each answer ends its connection."""
        return self._server.keeps_none

    # ---- the time that a client takes for a body, not that which others take with it

    def await_body(self) -> None:
        """More of the body is to come."""
        self.body_since = self._now() - self._body_waited

    def hold_body(self) -> None:
        """Nobody waits for more of the body now."""
        self._body_waited = self._now() - self.body_since
        self.body_since = 0.0

    def end_body(self) -> None:
        """The body is whole, or nobody wants it."""
        self.in_body = False
        self.body_since = self._body_waited = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = self.transport
        self.head_since = self._now()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._socket = None
        outlet, self.outlet = self.outlet, None
        super().connection_lost(exc)
        if outlet is not None:
            outlet.lose()

    def data_received(self, data: bytes) -> None:
        self._said = True
        if not self.head_since and self._request_count == self._finished:
            self.head_since = self._now()
        before = self._request_count
        super().data_received(data)
        self._look_for_trailers(data, before)
        if self._request_count == self._finished:
            self._take(len(data), self._server.head_bytes, HEAD_TOO_LARGE)
            return
        self.head_since = 0.0
        request = self._current_request
        if request is None or not self.in_body:
            self._received = 0
        elif self._messages and isinstance(self._messages[-1][0], _ErrInfo) and not request.content.is_eof():
            # Its handler waits for the rest of a body that nobody can read.
            request.content.set_exception(BadHttpMessage("the body is malformed"))
        else:
            self._take(len(data), _MOST_FRAMING * self._server.body_limit(), Reply(413))

    def _look_for_trailers(self, data: bytes, before: int) -> None:
        """End the connection with a request whose body in chunks did not end in an empty trailer section.

        aiohttp 3.14 takes the last trailer for a header of the next request. So one that comes in chunks is followed by
        another only where its end was seen to be its end: by itself, without trailers. before: requests until `data`.
        """
        self._tail = data[-7:] if len(data) >= 7 else (self._tail + data)[-7:]
        new = self._request_count - before
        if self._chunked is not None:
            if new:
                self._last = min(self._last, before)
                self._chunked = None
            else:
                self._end_chunks(before)
        for number in range(-new, 0):
            message, body = self._messages[number]
            if not isinstance(message, _ErrInfo) and message.chunked:
                if number < -1:
                    self._last = min(self._last, self._request_count + 1 + number)
                else:
                    self._chunked = body
                    self._end_chunks(self._request_count)

    def _end_chunks(self, number: int) -> None:
        if self._chunked is not None and self._chunked.is_eof():
            self._chunked = None
            if self._tail != _LAST_CHUNK:
                self._last = min(self._last, number)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        self._finished += 1
        return await super().finish_response(request, resp, start_time)

    def _take(self, size: int, most: int, refusal: Reply) -> None:
        self._received += size
        if most and self._received > most and self.transport is not None and not self._close:
            self._give_up(refusal)

    def _give_up(self, reply: Reply) -> None:
        if self.outlet is not None:
            # An answer is under way already: another would be taken for a part of it.
            self.outlet.break_off()
        elif self.transport is not None:
            self.transport.write(reply_bytes(reply, keep=False))
        self.force_close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stalled_since = self._now()
        if self.outlet is not None:
            self.outlet.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stalled_since = 0.0
        if self.outlet is not None:
            self.outlet.resume()

    def due(self, now: float, settings: Settings) -> None:
        """End this connection if its client has taken too long; called by the sweep."""
        transport = self._socket
        if transport is None:
            return
        if transport.is_closing() and not self.stalled_since:
            self.stalled_since = now
        if self.stalled_since:
            if now - self.stalled_since > settings.stall_seconds:
                transport.abort()
        elif (self.head_since and now - self.head_since > settings.head_seconds) or (
            self.body_since and now - self.body_since > settings.body_seconds
        ):
            if self._said:
                self._give_up(TIMED_OUT)
            else:
                self.force_close()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """As aiohttp has it, but for a client that has gone while aiohttp read past a body that nobody wanted."""
        if self.transport is not None or not isinstance(kw.get("exc_info"), (OSError, RuntimeError)):
            super().log_exception(*args, **kw)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that cannot be read, or whose handler failed; never quotes what was sent."""
        if status >= 500:
            log.error("a request handler failed", exc_info=exc)
            reply = error_reply(GatewayError())
        else:
            too_large = isinstance(exc, LineTooLong) or (message or "").startswith("Too many headers")
            reply = HEAD_TOO_LARGE if too_large else error_reply(BadRequest())
        return cast(web.StreamResponse, Raw(reply_bytes(reply, keep=False), False))
