"""HTTP_PROXY of HTTP and REST APIs: the client's request to a backend as it is, and the backend's answer back.

What is the same for every request with the same header lines is made once: callers repeat themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from wsgw.errors import ApiConfigurationError, BadRequest
from wsgw.header_fields import HeaderFields, SharedHeaders
from wsgw.integrations.http_pool import Target, header_block
from wsgw.invocation import Headers, HttpInvocation
from wsgw.pipeline.backend_headers import connection_options

#: Of a client's headers, those that end here in every kind of API: they belong to one hop, or we say them ourselves.
_HOP_BY_HOP = frozenset(
    ("connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authorization")
) | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "x-amzn-apigateway-api-id"}
#: Those that a REST API drops beside. Recorded on the service.
_DROPPED_BY_REST = _HOP_BY_HOP | {
    "content-encoding",
    "content-md5",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "via",
    "www-authenticate",
}

#: An address, perhaps with a port, or an obfuscated name (RFC 7239 section 6).
_NODE = re.compile(r"[0-9A-Za-z._-]+(?::[0-9]+)?|[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\](?::[0-9]+)?")
#: Gives the header lines that a backend is sent, each with its CRLF; the names in `mapped` (lower case) are left out.
ForwardedLines = Callable[[HttpInvocation, frozenset[str]], bytes]


def rest_lines(api_id: str) -> ForwardedLines:
    """What an HTTP_PROXY backend of the REST API `api_id` is sent of headers."""
    own = f"X-Amzn-Apigateway-Api-Id: {api_id}\r\n"

    def lines(invocation: HttpInvocation, mapped: frozenset[str]) -> bytes:
        block = _client_block(invocation.fields, _DROPPED_BY_REST, mapped, "forwarded by REST")
        forwarded = _unmapped(invocation.forwarded, mapped)
        return block + f"{own}{_added(forwarded)}X-Amzn-Trace-Id: {invocation.trace}\r\n".encode()

    return lines


def http_lines() -> ForwardedLines:
    """What an HTTP_PROXY backend of an HTTP API is sent of headers."""

    def lines(invocation: HttpInvocation, mapped: frozenset[str]) -> bytes:
        block = _client_block(invocation.fields, _HOP_BY_HOP, mapped, "forwarded by HTTP")
        forwarded = _unmapped(invocation.forwarded, mapped)
        named = _forwarded(forwarded, invocation.caller.domain_name)
        return block + f"{named}X-Amzn-Trace-Id: {invocation.trace}\r\n".encode()

    return lines


def _unmapped(forwarded: Headers, mapped: frozenset[str]) -> tuple[tuple[str, str], ...]:
    if mapped:
        return tuple([(name, value) for name, value in forwarded if name.lower() not in mapped])
    return tuple(forwarded)


def _client_block(fields: HeaderFields, dropped: frozenset[str], mapped: frozenset[str], key: str) -> bytes:
    if not mapped:
        known: bytes | None = fields.made.get(key)
        if known is not None:
            return known
    named = connection_options(fields.lines)
    kept = [
        (name, value)
        for name, value in fields.lines
        if (lower := name.lower()) not in dropped and lower not in named and lower not in mapped
    ]
    try:
        block = header_block(kept)
    except ApiConfigurationError as error:
        # These are the client's words, not the definition's.
        raise BadRequest(detail=error.detail) from error
    if not mapped:
        fields.made[key] = block
    return block


@lru_cache(maxsize=1024)
def _added(forwarded: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in forwarded)


@lru_cache(maxsize=1024)
def _forwarded(forwarded: tuple[tuple[str, str], ...], host: str) -> str:
    """The Forwarded header (RFC 7239) and the older three, which say the same."""
    values = dict(forwarded)
    nodes = [_node(address.strip()) for address in values.get("X-Forwarded-For", "").split(",")]
    proto = values.get("X-Forwarded-Proto", "http")
    hops = ", ".join(f'for={node};host="{host}";proto={proto}' for node in nodes)
    return f"Forwarded: {hops}\r\n{_added(forwarded)}"


def _node(address: str) -> str:
    """An entry of X-Forwarded-For as Forwarded names it: proxies pass on what a client wrote, whatever it is."""
    if not _NODE.fullmatch(address):
        return "unknown"
    if ":" not in address:
        return address
    return f'"{address}"' if address[0] == "[" or address.count(":") == 1 else f'"[{address}]"'


def with_query(target: Target, raw_query: str) -> Target:
    """`target` with the client's query behind its own."""
    return target.at(behind_own(target.request_target, raw_query)) if raw_query else target


def behind_own(request_target: str, raw_query: str) -> str:
    """`request_target` with `raw_query` behind its own query."""
    if not raw_query:
        return request_target
    return f"{request_target}{'&' if '?' in request_target else '?'}{raw_query}"


#: Of a backend's headers, those that a REST API gives back under another name, and those that it drops.
_REMAPPED = frozenset(
    ("authorization", "connection", "content-length", "date", "host", "max-forwards", "server", "user-agent")
) | {"www-authenticate", "x-amzn-requestid"}
#: Not Content-Encoding: the body still is in it, and a client that is not told cannot read it.
_DROPPED_ANSWERS = frozenset(("transfer-encoding", "via", "keep-alive", "proxy-connection", "upgrade", "trailer"))
#: What Connection says that names no header.
_NO_FIELDS = frozenset(("close", "keep-alive", ""))
_NAMES: dict[str, str] = {}
_CONTENT_TYPE = "Content-Type"


def rest_answer_headers(headers: Headers) -> Headers:
    """A backend's headers as an HTTP_PROXY integration of a REST API gives them. Recorded on the service.

    An answer that has no Content-Type is given one.
    """
    if type(headers) is not SharedHeaders:
        return _rest_answer_headers(headers)
    known: SharedHeaders | None = headers.made.get("given by REST")
    if known is None:
        known = headers.made["given by REST"] = SharedHeaders(_rest_answer_headers(headers))
    return known


def _rest_answer_headers(headers: Headers) -> list[tuple[str, str]]:
    kept = []
    untyped = True
    named = connection_options(headers)
    if not named <= _NO_FIELDS:
        headers = [(name, value) for name, value in headers if name.lower() not in named]
    for name, value in headers:
        known = _NAMES.get(name)
        if known is None:
            known = _answer_name(name)
        if known:
            kept.append((known, value))
            if known is _CONTENT_TYPE:
                untyped = False
    if untyped:
        kept.append((_CONTENT_TYPE, "application/json"))
    return kept


def _answer_name(name: str) -> str:
    lower = name.lower()
    known = "" if lower in _DROPPED_ANSWERS else f"x-amzn-Remapped-{name}" if lower in _REMAPPED else name
    if lower == "content-type":
        known = _CONTENT_TYPE
    if len(_NAMES) < 4096:
        _NAMES[name] = known
    return known
