"""What an HTTP/1.1 request looks like on the wire: addresses, request lines and header lines, checked as they are made.

Nothing a caller passes in can add a line: names must be tokens and values must be free of control characters.
Source: RFC 9110 sections 5.1, 5.5 and 7.6.1; RFC 9112 sections 3 and 6.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from wsgw.errors import ApiConfigurationError
from wsgw.invocation import Headers

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[0-9A-Za-z._~-]+|\[[0-9A-Fa-f:.]+\]")

#: What may stand in a field value (RFC 9110 section 5.5): tab, space, visible characters and obs-text.
_FIELD_VALUE_BYTES = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_CRLF = b"\r\n"

#: Fields that say something about one connection or one message's framing: ours to set, whoever asks for them.
_OWN = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_KNOWN_NAMES = 1024


class Address(NamedTuple):
    """Where an absolute URL leads. `host` is bare (no brackets); `request_target` and `authority` are wire text."""

    scheme: str
    host: str
    port: int
    request_target: str
    authority: str


def address(url: str) -> Address:
    """The parts of an absolute http or https URL; a fragment is left out.

    Raises ApiConfigurationError for anything that is not visible ASCII: percent-encoding is the mapping's to do.
    """
    if not _VISIBLE.fullmatch(url):
        raise ApiConfigurationError(detail="invalid_url: a character that must be percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ApiConfigurationError(detail=f"invalid_url: {error}") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ApiConfigurationError(detail="invalid_url: not an absolute http or https URL")
    default = _DEFAULT_PORTS[parts.scheme]
    name, colon, _ = parts.netloc.rpartition(":") if port is not None else (parts.netloc.removesuffix(":"), "", "")
    if port == 0 or "@" in parts.netloc or not _HOST.fullmatch(name):
        raise ApiConfigurationError(detail="invalid_url: the authority must be a host and at most a port")
    request_target = parts.path or "/"
    if parts.query:
        request_target += "?" + parts.query
    authority = f"{name}:{port}" if colon and port != default else name
    return Address(parts.scheme, parts.hostname, port or default, request_target, authority)


class Method(NamedTuple):
    """A method as sent. `repeatable`: idempotent (RFC 9110 section 9.2.2). `sized`: has a Content-Length even of 0."""

    token: bytes
    is_head: bool
    repeatable: bool
    sized: bool


def _method(name: str) -> Method:
    repeatable = name in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")
    return Method(name.encode("ascii"), name == "HEAD", repeatable, name in ("POST", "PUT", "PATCH"))


_METHODS = {name: _method(name) for name in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH")}


def method(name: str) -> Method:
    """What is to know of the method `name`. Raises ApiConfigurationError if it is no token, or asks for a tunnel."""
    known = _METHODS.get(name)
    if known is not None:
        return known
    if not _TOKEN.fullmatch(name) or name == "CONNECT":
        raise ApiConfigurationError(detail="invalid_method")
    return _method(name)


_known_names: dict[str, str] = {}


def _line_start(name: str) -> str:
    """`Name: `, or nothing for a field that callers may not set."""
    if not _TOKEN.fullmatch(name):
        raise ApiConfigurationError(detail="invalid_header_name")
    lowered = name.lower()
    start = "" if lowered in _OWN or lowered.startswith("proxy-") else f"{name}: "
    if len(_known_names) >= _KNOWN_NAMES:
        # Names may come from clients ($connect): a flood of them empties the table, and does not fill the memory.
        _known_names.clear()
    _known_names[name] = start
    return start


def header_block(headers: Headers) -> bytes:
    """Header lines in order, each with its CRLF, without those that are the pool's own (Host, framing, hop-by-hop).

    Text goes out as Latin-1, as it came in; a value that has other characters goes out as UTF-8.
    Raises ApiConfigurationError for a name that is no token or a value with a control character.
    """
    lines = []
    for name, value in headers:
        start = _known_names.get(name)
        if start is None:
            start = _line_start(name)
        if start:
            lines.append(start + value + "\r\n")
    block = _encoded(lines)
    # One pass over all lines: what is left when the permitted bytes are taken out must be just their ends.
    if block.translate(None, _FIELD_VALUE_BYTES) != _CRLF * len(lines):
        raise ApiConfigurationError(detail="invalid_header_value")
    return block


def _encoded(lines: list[str]) -> bytes:
    try:
        return "".join(lines).encode("latin-1")
    except UnicodeEncodeError:
        pass
    try:
        return b"".join(line.encode("latin-1" if max(line) <= "\xff" else "utf-8") for line in lines)
    except UnicodeEncodeError as error:
        raise ApiConfigurationError(detail="invalid_header_value") from error


def after_method(request_target: str, authority: str) -> bytes:
    """The rest of the request line and the Host line: constant per URL. Both are wire text, as Address has them."""
    return f" {request_target} HTTP/1.1\r\nHost: {authority}\r\n".encode("ascii")


def request_head(how: Method, rest: bytes, headers: bytes, body: bytes, length: int | None) -> bytes:
    """A request whose body goes on behind `body`, `length` bytes in all; in chunks where that is not known."""
    if length is not None:
        return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (how.token, rest, headers, length, body)
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return b"%b%b%bTransfer-Encoding: chunked\r\n\r\n%b" % (how.token, rest, headers, chunk)


def request_bytes(how: Method, rest: bytes, headers: bytes, body: bytes) -> bytes:
    """A whole request. `rest` is of `after_method`, `headers` of `header_block`."""
    if body or how.sized:
        return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (how.token, rest, headers, len(body), body)
    return b"%b%b%b\r\n" % (how.token, rest, headers)
