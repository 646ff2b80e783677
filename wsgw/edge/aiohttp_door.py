"""The data port's aiohttp server: every request shape, and what the lanes hand over.

aiohttp reads and frames requests; what they mean and how answers look is decided in `data_plane`. The private names of
aiohttp 3.14 that the hand-over of an upgraded socket needs stand in `_detach`, and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from wsgw.edge.connection import Connection
from wsgw.edge.data_plane import DataPlane
from wsgw.edge.http import HeaderFields, Request, error_reply, reply_bytes
from wsgw.edge.sockets import own_address, peer_address
from wsgw.errors import BadRequest, GatewayError, RequestTooLarge
from wsgw.invocation import Reply
from wsgw.settings import Settings

log = logging.getLogger("wsgw.http")

_JSON = (("Content-Type", "application/json"),)
TIMED_OUT = Reply(408, b'{"message":"Request Timeout"}', _JSON)
HEAD_TOO_LARGE = Reply(431, b'{"message":"Request Header Fields Too Large"}', _JSON)
#: A body in chunks of a byte takes six times its size; one that takes more than this is not about its content.
_MOST_FRAMING = 16

#: aiohttp's parser in C is the strict one. The one in Python takes trailers, chunk extensions and control characters
#: that others on the way read differently.
STRICT_PARSER = HttpRequestParser.__module__ == "aiohttp._http_parser"


class _Raw:
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


class _Door:
    """A Door for one request that aiohttp has read; its handler waits for `done`."""

    __slots__ = ("_request", "connection", "data", "done", "keep")

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.data = b""
        self.keep = False
        self.connection: Connection | None = None

    def answer(self, reply: bytes, *, keep: bool) -> None:
        self.data, self.keep = reply, keep
        if not self.done.done():
            self.done.set_result(None)

    def upgrade(self, head: bytes, connection: Connection) -> None:
        self.connection = connection
        self.answer(head, keep=False)
        # At once, as in the lanes: nobody may find the connection between the 101 and its first byte.
        _detach(self._request.protocol, connection, head)

    @property
    def lost(self) -> bool:
        transport = self._request.transport
        return transport is None or transport.is_closing()


def _detach(handler: RequestHandler, connection: Connection, head: bytes) -> None:
    """Write the 101 and give the transport to `connection`; `handler` ends as if its client had gone."""
    transport = handler.transport
    assert transport is not None
    early = handler._message_tail
    handler._message_tail = b""
    handler.transport = None  # or connection_lost below would close it
    transport.write(head)
    transport.set_protocol(connection)
    handler.connection_lost(None)
    transport.resume_reading()
    connection.connection_made(transport)
    if early:
        connection.data_received(early)


class Handler(RequestHandler):
    """aiohttp's connection handler with our error bodies, and bounds on how long a client may take, and how much.

    Each `…_since` is when, by `now`, a head or a body began to come, or answers to wait for being read; 0: none does.
    """

    __slots__ = (
        "_finished",
        "_now",
        "_received",
        "_said",
        "_server",
        "_socket",
        "body_since",
        "head_since",
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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = self.transport
        self.head_since = self._now()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._socket = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._said = True
        if not self.head_since and self._request_count == self._finished:
            self.head_since = self._now()
        super().data_received(data)
        if self._request_count == self._finished:
            self._take(len(data), self._server.head_bytes, HEAD_TOO_LARGE)
            return
        self.head_since = 0.0
        request = self._current_request
        if request is None or not self.body_since:
            self._received = 0
        elif self._messages and isinstance(self._messages[-1][0], _ErrInfo) and not request.content.is_eof():
            # Its handler waits for the rest of a body that nobody can read.
            request.content.set_exception(BadHttpMessage("the body is malformed"))
        else:
            self._take(len(data), _MOST_FRAMING * self._server.body_limit(), Reply(413))

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
        if self.transport is not None:
            self.transport.write(reply_bytes(reply, keep=False))
        self.force_close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stalled_since = self._now()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stalled_since = 0.0

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
        return cast(web.StreamResponse, _Raw(reply_bytes(reply, keep=False), False))


class Server(web.Server):
    """aiohttp's protocol factory for the data port: `server()` is the protocol of one client socket."""

    def __init__(
        self, plane: DataPlane, settings: Settings, now: Callable[[], float], body_limit: Callable[[], int]
    ) -> None:
        super().__init__(
            self._handle,  # type: ignore[arg-type]  # our response is one by shape
            access_log=None,
            keepalive_timeout=settings.keepalive_seconds,
            auto_decompress=False,
            max_headers=settings.header_bytes // 4,  # their number is bounded by their bytes
            max_line_size=settings.header_bytes + settings.url_bytes,
            max_field_size=settings.header_bytes + settings.url_bytes,
        )
        self._plane = plane
        self._settings = settings
        self._now = now
        self.head_bytes = settings.header_bytes + settings.url_bytes
        self.body_limit = body_limit

    def __call__(self) -> Handler:
        return Handler(self, self._now, loop=self._loop, **self._kwargs)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Close all connections once their requests are answered, after `timeout` at the latest."""
        transports = [handler.transport for handler in self.connections if handler.transport is not None]
        self.pre_shutdown()  # those that are idle end at once
        await super().shutdown(timeout)
        for transport in transports:
            # Closing TLS waits for the client's part in it, and nobody waits for that any more.
            if transport.get_extra_info("sslcontext") is not None:
                transport.abort()

    def sweep(self) -> None:
        """Answer 408 to heads and bodies that take too long, and drop clients that do not read."""
        now = self._now()
        for handler in list(self.connections):
            assert isinstance(handler, Handler)
            handler.due(now, self._settings)

    async def _handle(self, request: web.BaseRequest) -> _Raw:
        handler = cast(Handler, request.protocol)
        handler.body_since = self._now()
        try:
            body = await self._body(request)
        except RequestTooLarge:
            return _Raw(reply_bytes(Reply(413), keep=False), False)
        except HttpProcessingError:
            request.content.feed_eof()
            return _Raw(reply_bytes(error_reply(BadRequest()), keep=False), False)
        except ConnectionError:
            return _Raw(b"", False)  # The client has gone within its request.
        finally:
            handler.body_since = 0.0
        transport = request.transport
        if transport is None:
            return _Raw(b"", False)
        if request.version == (1, 0) and "Transfer-Encoding" in request.headers:
            # RFC 9112 §6.1: framing that an HTTP/1.0 recipient on the way would have read otherwise.
            return _Raw(reply_bytes(error_reply(BadRequest()), keep=False), False)
        door = _Door(request)
        self._plane.dispatch(
            Request(
                request.method,
                request.raw_path,
                (request.version.major, request.version.minor),
                HeaderFields(
                    [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
                ),
                body,
                peer=peer_address(transport),
                own_address=own_address(transport),
                secure=transport.get_extra_info("sslcontext") is not None,
            ),
            door,
        )
        await door.done
        if door.connection is not None:
            return _Raw(b"", False)
        # Behind an upgrade to what nobody here speaks, aiohttp drops what it has read: there is no next request.
        upgrade = "Upgrade" in request.headers and "upgrade" in request.headers.get("Connection", "").lower()
        ends = upgrade and not handler._upgraded
        if ends and not request.content.is_eof():
            request.content.feed_eof()
        if door.keep and (ends or not request.keep_alive):
            # That, or the caller asked for it, or speaks HTTP/1.0: the answer says what happens (RFC 9112 §9.6).
            data = door.data.replace(b"\r\nConnection: keep-alive\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
            return _Raw(data, False)
        return _Raw(door.data, door.keep)

    async def _body(self, request: web.BaseRequest) -> bytes:
        """The whole body. Raises RequestTooLarge, before reading where the length is announced."""
        limit = self.body_limit()
        if limit and (request.content_length or 0) > limit:
            raise RequestTooLarge
        if not request.body_exists or "upgrade" in request.headers.get("Connection", "").lower():
            return b""
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts = []
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if limit and size > limit:
                raise RequestTooLarge
            parts.append(chunk)
        return b"".join(parts)
