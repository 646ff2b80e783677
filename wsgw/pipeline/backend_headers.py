"""What an HTTP backend is told beside the body: API Gateway's own headers, and ours (`Wsgw-*`).

API Gateway tells an HTTP backend neither which route nor which connection a message is of; unless `strict`, we do.
The lines of a message are one formatted string: they are made for every message.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from wsgw.ids import trace_id
from wsgw.invocation import Headers, Invocation

#: Gives the header lines of an invocation, each with its CRLF, ready to be sent.
Lines = Callable[[Invocation], bytes]

#: Of a handshake's headers, those that end here: they belong to the client's hop, or we or the pool say them.
_HOP_BY_HOP = frozenset(
    ("connection", "upgrade", "host", "content-length", "transfer-encoding", "keep-alive", "te", "trailer")
) | {"proxy-connection", "proxy-authorization", "expect", "http2-settings", "x-amzn-apigateway-api-id"}
#: What we say to any HTTP backend, beside Wsgw-*.
_OWN = frozenset(("user-agent", "x-amzn-apigateway-api-id", "content-type", "x-amzn-trace-id"))
#: Of a handshake's headers, those that the edge has added.
_ADDED = frozenset(("x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"))


def connection_options(headers: Headers) -> set[str]:
    """What the Connection headers name, in lower case: it is for this hop only (RFC 9110 §7.6.1)."""
    return {
        option.strip().lower() for name, value in headers if name.lower() == "connection" for option in value.split(",")
    }


def connect_headers(invocation: Invocation) -> list[tuple[str, str]]:
    """The client's own headers, as an HTTP_PROXY backend of `$connect` gets them."""
    # What Connection names ends here, too; but nobody can name away what we have added.
    named = connection_options(invocation.headers) - _ADDED
    return [
        (name, value)
        for name, value in invocation.headers
        if (lower := name.lower()) not in _HOP_BY_HOP and lower not in named and not lower.startswith("wsgw-")
    ]


def _constant(event_type: str, api_id: str, stage: str, route_key: str) -> str:
    # A route key may hold anything; a header value may not.
    key = quote(route_key, safe="$ !#&'()*+,/:;=?@[]~|^<>{}")
    return f"Wsgw-Event-Type: {event_type}\r\nWsgw-Route-Key: {key}\r\nWsgw-Api-Id: {api_id}\r\nWsgw-Stage: {stage}\r\n"


def _connection_lines(invocation: Invocation) -> str:
    connection = invocation.connection
    site = invocation.site
    lines = (
        f"Wsgw-Connection-Id: {connection.id}\r\n"
        f"Wsgw-Request-Id: {invocation.request_id}\r\n"
        f"Wsgw-Connected-At: {connection.connected_at}\r\n"
        f"Wsgw-Source-Ip: {connection.source_ip}\r\n"
        f"Wsgw-Callback-Url: {connection.callback_base}/{site.api_id}/{site.stage}/@connections/"
        f"{connection.id.replace('=', '%3D')}\r\n"
    )
    if connection.principal is not None:
        lines += f"Wsgw-Principal-Id: {quote(connection.principal.id, safe=' :/@|+=,.')}\r\n"
    return lines


def without(lines: Lines, names: frozenset[str]) -> Lines:
    """`lines` less the headers `names` (lower case): what a mapping sets replaces what we say."""
    if names.isdisjoint(_OWN) and not any(name.startswith("wsgw-") for name in names):
        return lines

    def rest(invocation: Invocation) -> bytes:
        kept = [
            line for line in lines(invocation).split(b"\r\n") if line.partition(b":")[0].decode().lower() not in names
        ]
        return b"\r\n".join(kept)

    return rest


def connect_lines(api_id: str, stage: str, *, content_type: str | None, strict: bool) -> Lines:
    """For `$connect`: what comes beside the client's own headers (content_type None), or where there are none."""
    own = f"x-amzn-apigateway-api-id: {api_id}\r\n"
    if content_type is not None:
        own = f"User-Agent: AmazonAPIGateway_{api_id}\r\n{own}Content-Type: {content_type}\r\n"
    constant = own if strict else own + _constant("CONNECT", api_id, stage, "$connect")

    def lines(invocation: Invocation) -> bytes:
        text = constant if strict else constant + _connection_lines(invocation)
        if content_type is not None:
            traces = [value for name, value in invocation.headers if name == "X-Amzn-Trace-Id"]
            text += f"X-Amzn-Trace-Id: {traces[-1]}\r\n" if traces else ""
        return text.encode("latin-1", "replace")

    return lines


def message_lines(api_id: str, stage: str, route_key: str, *, strict: bool) -> Lines:
    """For messages. A binary message is `application/octet-stream`."""
    head = f"User-Agent: AmazonAPIGateway_{api_id}\r\nx-amzn-apigateway-api-id: {api_id}\r\n"
    text = f"{head}Content-Type: application/json\r\n"
    binary = f"{head}Content-Type: application/octet-stream\r\n"
    constant = _constant("MESSAGE", api_id, stage, route_key)

    def lines(invocation: Invocation) -> bytes:
        start = binary if invocation.is_binary else text
        trace = f"X-Amzn-Trace-Id: {trace_id(invocation.request_time // 1000)}\r\n"
        if strict:
            return (start + trace).encode("latin-1")
        message = f"Wsgw-Message-Id: {invocation.message_id}\r\n"
        return (start + trace + constant + message + _connection_lines(invocation)).encode("latin-1", "replace")

    return lines


def disconnect_lines(api_id: str, stage: str, *, content_type: str | None, strict: bool) -> Lines:
    """For `$disconnect`: with the code and reason, and an event id that is the same on every delivery.

    content_type: of what a template makes; None where there is no body.
    """
    head = f"User-Agent: AmazonAPIGateway_{api_id}\r\nx-amzn-apigateway-api-id: {api_id}\r\n"
    if content_type is not None:
        head += f"Content-Type: {content_type}\r\n"
    constant = _constant("DISCONNECT", api_id, stage, "$disconnect")

    def lines(invocation: Invocation) -> bytes:
        trace = f"X-Amzn-Trace-Id: {trace_id(invocation.request_time // 1000)}\r\n"
        if strict:
            return (head + trace).encode("latin-1")
        # The client chose the reason: percent-encoded, it can start no line of its own.
        reason = quote(invocation.disconnect_reason, safe=" !#$&'()*+,/:;=?@[]~.-_")
        ending = (
            f"Wsgw-Disconnect-Code: {invocation.disconnect_code}\r\n"
            f"Wsgw-Disconnect-Reason: {reason}\r\n"
            f"Wsgw-Event-Id: {invocation.connection.id}.disconnect\r\n"
        )
        return (head + trace + constant + _connection_lines(invocation) + ending).encode("latin-1", "replace")

    return lines
