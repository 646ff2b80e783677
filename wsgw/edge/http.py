"""A data-plane request in, a reply out: the shapes that both doors (lanes and aiohttp) share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

import orjson

from wsgw import ids
from wsgw.caller import ClientCertificate
from wsgw.edge.connection import Connection
from wsgw.edge.outlet import Outlet
from wsgw.errors import AccessDenied, GatewayError, ServiceUnavailable
from wsgw.header_fields import HeaderFields, SharedHeaders
from wsgw.invocation import Headers, Reply, Stream
from wsgw.pipeline.backend_headers import connection_options

_REASONS = {status.value: status.phrase for status in HTTPStatus}
#: The status line and the beginning of the next.
_STARTS = {status: f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\nDate: " for status in range(100, 1000)}


class Request:
    """One request as it came. `target` is raw, `body` whole unless there is a `stream`, the rest of it.

    peer: the address at the other end of the socket; `own_address` (host and port) is this end's. `certificate`: the
    client's, where TLS has asked for one and found it good.
    """

    __slots__ = (
        "body",
        "certificate",
        "fields",
        "method",
        "own_address",
        "peer",
        "secure",
        "stream",
        "target",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        version: tuple[int, int],
        fields: HeaderFields,
        body: bytes,
        *,
        peer: str,
        own_address: str,
        secure: bool,
        certificate: ClientCertificate | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.fields = fields
        self.body = body
        self.peer = peer
        self.own_address = own_address
        self.secure = secure
        self.certificate = certificate
        self.stream: Stream | None = None

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """The header lines, as `fields` has them."""
        return self.fields.lines

    def header(self, name: str) -> str | None:
        """The first value of the header `name` (given in lower case), or None."""
        return self.fields.first(name)

    def all(self, name: str) -> list[str]:
        """Every value of the header `name` (given in lower case), in order."""
        return self.fields.all(name)


class Door(Protocol):
    """What a request came in through, and its answer leaves by. One of the three methods is called, once."""

    def answer(self, reply: bytes, *, keep: bool) -> None:
        """Write a whole HTTP response, made by `reply_bytes`; then close unless `keep`."""
        ...

    def begin(self, head: bytes, *, keep: bool) -> Outlet | None:
        """Write the head of a response, made by `reply_head`; gives what its body is written to.

        None: the client has gone.
        """
        ...

    def upgrade(self, head: bytes, connection: Connection) -> None:
        """Write the 101 in `head`, and hand the transport, with all bytes read so far, to `connection`."""
        ...

    @property
    def lost(self) -> bool:
        """The client has gone; whatever is answered, nobody will read it."""
        ...


_date: tuple[int, str] = (0, "")


def http_date() -> str:
    """The Date header's value now, made once a second (RFC 9110 §5.6.7)."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True))
    return _date[1]


#: Statuses whose answers have no body (RFC 9112 §6.3): a client would take one for the next answer.
BODILESS = frozenset((204, 304))


#: Headers that say where a body ends and whether the connection does: only the edge knows, and two would be two ends.
_FRAMING = frozenset(("content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer"))


def reply_bytes(reply: Reply, *, keep: bool, body: bool = True, ids: str = "") -> bytes:
    """`reply` as an HTTP/1.1 response with a Content-Length. body False: the answer to a HEAD.

    ids: header lines beside the reply's own, each with its CRLF. See `safe_headers` for headers that a backend gave.
    """
    bodiless = reply.status in BODILESS
    head = reply_head(reply, "" if bodiless else f"Content-Length: {len(reply.body)}\r\n", keep=keep, ids=ids)
    return head + reply.body if body and not bodiless else head


def reply_head(reply: Reply, framing: str, *, keep: bool, ids: str = "") -> bytes:
    """The head of `reply`; `framing` is the header line that says where its body ends, with its CRLF, or ""."""
    status = reply.status
    headers = reply.headers
    lines: str | None
    if type(headers) is SharedHeaders:
        lines = headers.made.get("lines of an answer")
        if lines is None:
            lines = headers.made["lines of an answer"] = _header_lines(headers)
    else:
        lines = _header_lines(headers)
    end = "Connection: keep-alive\r\n\r\n" if keep else "Connection: close\r\n\r\n"
    start = _STARTS.get(status) or f"HTTP/1.1 {status} Unknown\r\nDate: "
    return f"{start}{http_date()}\r\n{lines}{ids}{framing}{end}".encode("latin-1", "replace")


def _header_lines(headers: Headers) -> str:
    """`headers` as lines, without those that frame, and without any that would start another line.

    Whoever makes headers sees to it that none does; this is for what nobody has thought of.
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers if name.lower() not in _FRAMING]
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        return _header_lines([(name, value) for name, value in headers if _clean(name) and _clean(value)])
    return text


def ending(reply: bytes) -> bytes:
    """`reply`, made to be kept open after, as the last of its connection: it says so (RFC 9112 §9.6)."""
    return reply.replace(b"\r\nConnection: keep-alive\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


#: Never copied from a backend's answer to a client: they belong to one hop, or we say them ourselves.
_OURS = frozenset(
    ("connection", "content-length", "date", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer")
) | {"transfer-encoding", "upgrade", "sec-websocket-accept", "sec-websocket-extensions"}


def safe_headers(reply: Reply) -> list[tuple[str, str]]:
    """The headers of a backend's reply that a client may see, free of anything that would start another line."""
    named = connection_options(reply.headers)
    return [
        (name, value)
        for name, value in reply.headers
        if (lower := name.lower()) not in _OURS
        and lower not in named
        and name.isascii()
        and _clean(name)
        and _clean(value)
    ]


def _clean(text: str) -> bool:
    return "\r" not in text and "\n" not in text and "\0" not in text


def error_reply(error: GatewayError, request_id: str = "") -> Reply:
    """A refusal outside of any API, as the service words it: `{"message":"Forbidden"}` and the error's type."""
    # An IAM denial has a capital M, recorded on the service.
    key = "Message" if isinstance(error, AccessDenied) else "message"
    body = orjson.dumps({key: error.message}) if error.message else b""
    request_id = request_id or ids.request_id()
    headers = [
        ("Content-Type", "application/json"),
        ("x-amzn-RequestId", ids.uuid()),
        ("x-amzn-ErrorType", error.error_type),
        ("x-amz-apigw-id", request_id),
    ]
    if isinstance(error, ServiceUnavailable):
        headers.append(("Retry-After", str(error.retry_after)))
    return Reply(error.status, body, headers)
