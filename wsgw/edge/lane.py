"""One client socket in front of aiohttp: requests of plain framing read and answered, all else handed over."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, cast

import httptools

from wsgw.caller import ClientCertificate
from wsgw.edge.aiohttp_handler import TIMED_OUT
from wsgw.edge.connection import Connection
from wsgw.edge.http import Request, ending, reply_bytes
from wsgw.edge.outlet import Outlet
from wsgw.edge.sockets import own_address, peer_address, shown
from wsgw.header_fields import HeaderFields

if TYPE_CHECKING:
    from wsgw.edge.lanes import Lanes

_HEAD_END = b"\r\n\r\n"
#: What waits while a request is answered; more than this and reading pauses.
_BACKLOG_BYTES = 65_536
#: A request that comes in more pieces than this is aiohttp's: joining bytes again and again would be quadratic.
_PIECES = 32
#: The request line of what needs no parser, once its header lines are known.
_LINE = re.compile(rb"(GET|POST|PUT|HEAD|DELETE|PATCH|OPTIONS) (/[!-~]*) HTTP/1\.1")
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS")}
_NOT_HERE = frozenset((b"CONNECT", b"TRACE"))


class Lane(asyncio.Protocol):
    """One client socket until its first upgrade, its first request of another shape, or its end. It is the Door too."""

    __slots__ = (
        "_answering",
        "_body_at",
        "_certificate",
        "_data",
        "_fields",
        "_headers",
        "_keep",
        "_lanes",
        "_method",
        "_need",
        "_outlet",
        "_own",
        "_parser",
        "_paused",
        "_peer",
        "_pieces",
        "_secure",
        "_since",
        "_stalled_since",
        "_target",
        "_transport",
        "_working",
        "served",
    )

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self._data = b""
        self._pieces = 0
        self._need = 0
        self._body_at = 0
        self._headers: list[tuple[str, str]] = []
        self._fields: HeaderFields | None = None
        self._method = self._target = ""
        self._keep = True
        self._outlet: Outlet | None = None
        self._certificate: ClientCertificate | None = None
        self._answering = False
        self._working = False
        self._paused = False
        self.served = False
        self._since = lanes.now()
        self._stalled_since = 0.0
        self._peer = self._own = ""
        self._secure = False

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_address(transport)
        self._own = own_address(transport)
        self._secure = transport.get_extra_info("sslcontext") is not None
        if self._secure:
            self._certificate = shown(transport)
        self._lanes.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._transport = None
        if self._outlet is not None:
            self._outlet.lose()

    def data_received(self, data: bytes) -> None:
        if self._data:
            self._data += data
            self._pieces += 1
        else:
            self._data = data
            self._pieces = 0
            self._since = self._lanes.now()
        if self._answering or self._stalled_since:
            if len(self._data) > _BACKLOG_BYTES and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            return
        self._work()
        if self._pieces > _PIECES and self._data and not self._answering and self._transport is not None:
            self._hand_over()

    # ---- requests

    def _work(self) -> None:
        """Take whole requests off `_data` until one is being answered, is not whole, or is not for a lane."""
        self._working = True
        while self._data and not self._answering and not self._stalled_since and self._transport is not None:
            if not self._need:
                if not self._read_head():
                    break
                # The body has a time of its own.
                self._since = self._lanes.now()
            if len(self._data) < self._need:
                break
            self._take()
        self._working = False

    def _read_head(self) -> bool:
        """Read the head at the start of `_data`. False: it is not whole yet, or has gone to aiohttp."""
        end = self._data.find(_HEAD_END)
        if end < 0 or end > self._lanes.head_bytes:
            if len(self._data) > self._lanes.head_bytes:
                self._hand_over()
            return False
        self._body_at = end + 4
        if self._is_known(end):
            return True
        self._headers = []
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpRequestParser(self)
        upgrade = False
        head = self._data[: self._body_at]
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            upgrade = True
        except httptools.HttpParserError:
            self._hand_over()
            return False
        length = self._length_if_hot(parser, upgrade, head)
        if length < 0:
            self._hand_over()
            return False
        # The parser is done with: a new one costs less than feeding the body.
        self._parser = None
        self._method = parser.get_method().decode("ascii")
        self._need = self._body_at + length
        self._fields = HeaderFields(self._headers)
        if not upgrade:
            self._lanes.remember(head[head.index(b"\r\n") :], self._fields, length, self._keep)
        return True

    def _is_known(self, end: int) -> bool:
        """Whether a lane has read these header lines before, to the byte: nothing is parsed then."""
        data = self._data
        line_end = data.find(b"\r\n", 0, end + 2)
        known = self._lanes.known.get(data[line_end : self._body_at])
        if known is None:
            return False
        line = _LINE.fullmatch(data, 0, line_end)
        if line is None:
            return False
        fields, length, keep = known
        limit = self._lanes.body_limit()
        if length > limit > 0:
            return False
        self._method, self._target = _METHODS[line[1]], line[2].decode("ascii")
        self._fields, self._keep = fields, keep
        self._need = self._body_at + length
        return True

    def on_url(self, url: bytes) -> None:
        self._target = url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def _length_if_hot(self, parser: httptools.HttpRequestParser, upgrade: bool, head: bytes) -> int:
        """The length of the body if this head is of plain framing, else -1."""
        if parser.get_http_version() != "1.1" or head.count(b"\n") != head.count(b"\r\n") or b"\0" in head:
            return -1
        length = None
        self._keep = True
        for name, value in self._headers:
            lower = name.lower()
            if lower in ("transfer-encoding", "expect"):
                return -1
            if lower == "content-length":
                if length is not None or not value.isascii() or not value.isdigit():
                    return -1
                length = int(value)
            elif lower == "connection" and not upgrade:
                option = value.lower()
                if option not in ("keep-alive", "close"):
                    return -1
                self._keep = self._keep and option != "close"
            elif lower == "upgrade" and (not upgrade or "websocket" not in value.lower()):
                return -1
        method = parser.get_method()
        if upgrade:
            return 0 if method == b"GET" and not length and not self.served else -1
        limit = self._lanes.body_limit()
        if method in _NOT_HERE or (length or 0) > limit > 0:
            return -1
        return length or 0

    def _take(self) -> None:
        """Answer the request that is whole at the start of `_data`."""
        fields = self._fields
        assert fields is not None
        body = self._data[self._body_at : self._need]
        self._data = self._data[self._need :]
        self._need = 0
        self.served = self._answering = True
        request = Request(
            self._method,
            self._target,
            (1, 1),
            fields,
            body,
            peer=self._peer,
            own_address=self._own,
            secure=self._secure,
            certificate=self._certificate,
        )
        self._fields = None
        self._lanes.plane.dispatch(request, self)

    def _hand_over(self) -> None:
        """Give the socket and every byte that is not answered yet to aiohttp."""
        transport, data = self._transport, self._data
        assert transport is not None
        self._leave()
        self._transport = None
        handler = self._lanes.server()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.head_since = self._since
        handler.data_received(data)

    def _leave(self) -> None:
        self._lanes.open.discard(self)
        self._data = b""
        self._parser = None

    # ---- the door

    @property
    def lost(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def answer(self, reply: bytes, *, keep: bool) -> None:
        transport = self._transport
        if transport is None:
            return
        if keep and (self._lanes.keeps_none or not self._keep):
            reply, keep = ending(reply), False
        transport.write(reply)
        self._answered(transport, keep)

    def begin(self, head: bytes, *, keep: bool) -> Outlet | None:
        transport = self._transport
        if transport is None:
            return None
        if keep and (self._lanes.keeps_none or not self._keep):
            head, keep = ending(head), False
        self._outlet = Outlet(transport, lambda: self._answered(transport, keep))
        transport.write(head)
        if self._stalled_since:
            self._outlet.pause()
        return self._outlet

    def _answered(self, transport: asyncio.Transport, keep: bool) -> None:
        self._answering = False
        self._outlet = None
        if not keep:
            # What a client sends behind a request that ends the connection is never read as one (RFC 9112 §11.2).
            self._end(transport)
            return
        if not self._stalled_since:
            self._go_on(transport)

    def _go_on(self, transport: asyncio.Transport) -> None:
        if self._paused:
            self._paused = False
            transport.resume_reading()
        if self._data and not self._working:
            self._work()

    def pause_writing(self) -> None:
        # A client that does not read its answers gets no more of them until it does.
        self._stalled_since = self._lanes.now()
        if self._outlet is not None:
            self._outlet.pause()

    def resume_writing(self) -> None:
        self._stalled_since = 0.0
        if self._outlet is not None:
            self._outlet.resume()
        if self._transport is not None and not self._answering:
            self._go_on(self._transport)

    def upgrade(self, head: bytes, connection: Connection) -> None:
        transport, early = self._transport, self._data
        assert transport is not None
        self._leave()
        self._transport = None
        transport.write(head)
        transport.set_protocol(connection)
        if self._paused:
            transport.resume_reading()
        connection.connection_made(transport)
        if early:
            connection.data_received(early)

    # ---- time

    def due(self, now: float) -> None:
        """End this lane if it has taken too long; called by the sweep."""
        transport = self._transport
        if transport is None:
            return
        settings = self._lanes.settings
        waited = now - self._since
        if self._stalled_since or transport.is_closing():
            if now - (self._stalled_since or self._since) > settings.stall_seconds:
                transport.abort()
        elif self._answering:
            pass
        elif self._data:
            if waited > (settings.body_seconds if self._need else settings.head_seconds):
                transport.write(reply_bytes(TIMED_OUT, keep=False))
                self._end(transport)
        elif waited > (settings.keepalive_seconds if self.served else settings.head_seconds):
            self._end(transport)

    def _end(self, transport: asyncio.Transport) -> None:
        self._data = b""
        self._since = self._lanes.now()
        transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def retire(self) -> None:
        """Close, unless something is being answered: its answer closes then."""
        if not self._answering and self._transport is not None:
            self._end(self._transport)
