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
from wsgw.edge.data_plane import DataPlane
from wsgw.edge.http import Request, ending, error_reply, reply_bytes
from wsgw.edge.sockets import own_address, peer_address
from wsgw.errors import BadRequest, RequestTooLarge
from wsgw.invocation import HeaderFields, Reply
from wsgw.settings import Settings

#: aiohttp's parser in C is the strict one. The one in Python takes trailers, chunk extensions and control characters
#: that others on the way read differently.
STRICT_PARSER = HttpRequestParser.__module__ == "aiohttp._http_parser"


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
        #: Each answer ends its connection.
        self.keeps_none = False

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
        handler.body_since = self._now()
        try:
            body = await self._body(request)
        except RequestTooLarge:
            return Raw(reply_bytes(Reply(413), keep=False), False)
        except HttpProcessingError:
            request.content.feed_eof()
            return Raw(reply_bytes(error_reply(BadRequest()), keep=False), False)
        except ConnectionError:
            return Raw(b"", False)  # The client has gone within its request.
        finally:
            handler.body_since = 0.0
        transport = request.transport
        if transport is None:
            return Raw(b"", False)
        if request.version == (1, 0) and "Transfer-Encoding" in request.headers:
            # RFC 9112 §6.1: framing that an HTTP/1.0 recipient on the way would have read otherwise.
            return Raw(reply_bytes(error_reply(BadRequest()), keep=False), False)
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
            return Raw(b"", False)
        # Behind an upgrade to what nobody here speaks, aiohttp drops what it has read: there is no next request.
        upgrade = "Upgrade" in request.headers and "upgrade" in request.headers.get("Connection", "").lower()
        ends = upgrade and not handler._upgraded
        if ends and not request.content.is_eof():
            request.content.feed_eof()
        if door.keep and (ends or self.keeps_none or not request.keep_alive):
            # That, or nobody listens any more, or the caller asked for it, or speaks HTTP/1.0.
            return Raw(ending(door.data), False)
        return Raw(door.data, door.keep)

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
