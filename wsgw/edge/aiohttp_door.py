"""The data port's aiohttp server: every request shape, and what the lanes hand over.

aiohttp reads and frames requests; what they mean and how answers look is decided in `data_plane`. `_detach` hands an
upgraded socket over, with private names of aiohttp 3.14: the minor version is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.web_protocol import RequestHandler

from wsgw.edge.aiohttp_handler import Handler, Raw
from wsgw.edge.connection import Connection
from wsgw.edge.data_plane import DataPlane, longest_target
from wsgw.edge.http import Request, ending, error_reply, reply_bytes
from wsgw.edge.outlet import Outlet
from wsgw.edge.request_body import RequestBody
from wsgw.edge.sockets import own_address, peer_address, shown
from wsgw.errors import BadRequest, RequestTooLarge
from wsgw.header_fields import HeaderFields
from wsgw.settings import Settings

#: aiohttp's parser in C is the strict one. The one in Python takes trailers, chunk extensions and control characters
#: that others on the way read differently.
STRICT_PARSER = HttpRequestParser.__module__ == "aiohttp._http_parser"

#: A longer body goes on as it comes, where its route takes it so.
_HELD = 65_536


class _Door:
    """A Door for one request that aiohttp has read; its handler waits for `done`."""

    __slots__ = ("_handler", "_request", "connection", "data", "done", "keep")

    def __init__(self, request: web.BaseRequest, handler: Handler) -> None:
        self._request = request
        self._handler = handler
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.data = b""
        self.keep = False
        self.connection: Connection | None = None

    def answer(self, reply: bytes, *, keep: bool) -> None:
        self.data, self.keep = reply, keep
        if not self.done.done():
            self.done.set_result(None)

    def begin(self, head: bytes, *, keep: bool) -> Outlet | None:
        transport = self._request.transport
        if transport is None or self.done.done():
            self.answer(b"", keep=False)
            return None
        if keep and self.ends:
            head, keep = ending(head), False
        self.keep = keep
        outlet = self._handler.outlet = Outlet(transport, self._ended, self._ended)
        transport.write(head)
        if self._handler.writing_paused:
            outlet.pause()
        return outlet

    def _ended(self) -> None:
        self._handler.outlet = None
        if not self.done.done():
            self.done.set_result(None)

    @property
    def ends(self) -> bool:
        """The answer is the connection's last: nobody listens any more, or the caller asked for it, or speaks HTTP/1.0.

        And where there is no telling what comes next.
        """
        request = self._request
        stream = not request.content.is_eof()
        handler = self._handler
        return stream or self.unread or handler.keeps_none or handler.is_last or not request.keep_alive

    @property
    def unread(self) -> bool:
        """Behind an upgrade to what nobody here speaks."""
        headers = self._request.headers
        upgrade = "Upgrade" in headers and "upgrade" in headers.get("Connection", "").lower()
        return upgrade and not self._handler._upgraded

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


class Server(web.Server):
    """aiohttp's protocol factory for the data port: `server()` is the protocol of one client socket."""

    def __init__(self, plane: DataPlane, settings: Settings, now: Callable[[], float]) -> None:
        super().__init__(
            self._handle,  # type: ignore[arg-type]  # our response is one by shape
            access_log=None,
            keepalive_timeout=settings.keepalive_seconds,
            auto_decompress=False,
            max_headers=settings.header_bytes // 4,  # their number is bounded by their bytes
            max_line_size=settings.header_bytes + longest_target(settings),
            max_field_size=settings.header_bytes + longest_target(settings),
        )
        self._plane = plane
        self._settings = settings
        self._now = now
        self.head_bytes = settings.header_bytes + longest_target(settings)
        #: Each answer ends its connection.
        self.keeps_none = False

    def __call__(self) -> Handler:
        return Handler(self, self._now, loop=self._loop, **self._kwargs)

    def body_limit(self) -> int:
        """The largest body that any address takes; 0 for no bound."""
        return self._plane.bodies.most

    async def shutdown(self, timeout: float | None = None) -> None:
        """Close all connections once their requests are answered, after `timeout` at the latest."""
        transports = [handler.transport for handler in self.connections if handler.transport is not None]
        self.pre_shutdown()  # those that are idle end at once
        await super().shutdown(timeout)
        for transport in transports:
            # Closing TLS waits for the client's part in it, and nobody waits for that any more.
            if transport.get_extra_info("sslcontext") is not None:
                transport.abort()

    def expects(self) -> bool:
        """Some client has connected, or begun a request, that has not arrived yet."""
        return any(cast(Handler, handler).head_since for handler in self.connections)

    def sweep(self) -> None:
        """Answer 408 to heads and bodies that take too long, and drop clients that do not read."""
        now = self._now()
        for handler in list(self.connections):
            assert isinstance(handler, Handler)
            handler.due(now, self._settings)

    async def _handle(self, request: web.BaseRequest) -> Raw:
        handler = cast(Handler, request.protocol)
        handler.in_body = True
        handler.await_body()
        transport = request.transport
        if transport is None or handler.is_over:
            return Raw(b"", False)
        if request.version == (1, 0) and "Transfer-Encoding" in request.headers:
            # RFC 9112 §6.1: framing that an HTTP/1.0 recipient on the way would have read otherwise.
            return Raw(reply_bytes(error_reply(BadRequest()), keep=False), False)
        ours = _request(request, transport)
        door = _Door(request, handler)
        try:
            await self._read(request, ours)
        except RequestTooLarge:
            self._plane.refuse_large(ours, door)
        except HttpProcessingError:
            request.content.feed_eof()
            return Raw(reply_bytes(error_reply(BadRequest()), keep=False), False)
        except ConnectionError:
            return Raw(b"", False)  # The client has gone within its request.
        else:
            if request.transport is None:
                return Raw(b"", False)
            self._plane.dispatch(ours, door)
        finally:
            if ours.stream is None:
                handler.end_body()
        await door.done
        handler.end_body()
        if door.connection is not None:
            return Raw(b"", False)
        # Behind an upgrade to what nobody here speaks, aiohttp drops what it has read: there is no next request.
        if door.unread and not request.content.is_eof():
            request.content.feed_eof()
        if door.keep and door.ends:
            return Raw(ending(door.data), False)
        return Raw(door.data, door.keep)

    async def _read(self, request: web.BaseRequest, ours: Request) -> None:
        """Read the body of `request` into `ours`, or leave it to be read as it comes, where its route takes it so.

        Raises RequestTooLarge, before reading where the length is announced.
        """
        if not request.body_exists:
            return
        limit, streams = self._plane.admit(ours)
        length = request.content_length
        if limit and (length or 0) > limit:
            raise RequestTooLarge
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = request.content
        if streams and not content.is_eof() and (length is None or length > _HELD):
            handler = cast(Handler, request.protocol)
            handler.hold_body()
            ours.stream = RequestBody(content, length, limit, handler)
            return
        parts = []
        size = 0
        async for chunk in content.iter_any():
            size += len(chunk)
            if limit and size > limit:
                raise RequestTooLarge
            parts.append(chunk)
        ours.body = b"".join(parts)


def _request(request: web.BaseRequest, transport: asyncio.Transport) -> Request:
    secure = transport.get_extra_info("sslcontext") is not None
    return Request(
        request.method,
        request.raw_path,
        (request.version.major, request.version.minor),
        HeaderFields([(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]),
        b"",
        peer=peer_address(transport),
        own_address=own_address(transport),
        secure=secure,
        certificate=shown(transport) if secure else None,
    )
