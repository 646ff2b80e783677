"""`$context`: its variables one by one, for mappings and access logs, and as a whole, for templates.

Here are those of WebSocket APIs, and the way to all others (`readers`, `request_variables`).
Source: developer guide, "WebSocket API mapping template reference" and "… access logging variables".
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from operator import attrgetter
from typing import Any, Final

from wsgw.definitions.api import Protocol
from wsgw.invocation import HttpInvocation, Invocation
from wsgw.mapping.caller_readers import Reader, Value, authorizer_reader, claim_reader
from wsgw.mapping.client_certificate import client_certificate
from wsgw.mapping.readers import COMMON, add_sections
from wsgw.mapping.request_variables import HTTP_READERS, REST_READERS, request_context
from wsgw.mapping.times import clf_time

__all__ = ["Reader", "UnknownVariable", "Value", "context_of", "context_reader"]


class UnknownVariable(ValueError):
    """A name that `$context` does not have; the message gives the nearest that it has."""


def context_reader(name: str, protocol: Protocol = "WEBSOCKET") -> Reader:
    """Reads `$context.{name}` of an invocation of `protocol`: None where it has none. Raises UnknownVariable."""
    readers = _BY_PROTOCOL[protocol]
    reader = readers.get(name) or claim_reader(name) or authorizer_reader(name)
    if reader is not None:
        return reader
    near = get_close_matches(name, readers, 1)
    hint = f"; did you mean $context.{near[0]}?" if near else f"; see the list of {_KINDS[protocol]} variables"
    raise UnknownVariable(f"$context has no variable {name!r}{hint}")


def context_of(invocation: Invocation) -> dict[str, Any]:
    """All of `$context`, nested, as templates see it. A new dict: templates may write into it.

    Of a request it is always the same one: what its request template writes, its response template reads.
    Fixed members without a value are None; `authorizer` and `error` are there when there is something to say.
    """
    if isinstance(invocation, HttpInvocation):
        return request_context(invocation)
    connection, site, request_id = invocation.connection, invocation.site, invocation.request_id
    context: dict[str, Any] = {
        "routeKey": invocation.route_key,
        "messageId": invocation.message_id or None,
        "eventType": invocation.event_type,
        "extendedRequestId": request_id,
        "requestTime": clf_time(invocation.request_time),
        "messageDirection": "IN",
        "stage": site.stage,
        "connectedAt": connection.connected_at,
        "requestTimeEpoch": invocation.request_time,
        "identity": {"userAgent": connection.user_agent, "sourceIp": connection.source_ip},
        "requestId": request_id,
        "domainName": connection.domain_name,
        "connectionId": connection.id,
        "apiId": site.api_id,
        "status": invocation.status,
    }
    if connection.certificate is not None:
        context["identity"]["clientCert"] = client_certificate(connection.certificate.der)
    if invocation.event_type == "DISCONNECT":
        context["disconnectStatusCode"] = invocation.disconnect_code
        context["disconnectReason"] = invocation.disconnect_reason
    add_sections(context, invocation)
    return context


def _disconnect(field: str) -> Reader:
    read = attrgetter(field)
    return lambda invocation: read(invocation) if invocation.event_type == "DISCONNECT" else None


_WEBSOCKET_READERS: Final[Mapping[str, Reader]] = {
    **COMMON,
    "connectedAt": attrgetter("connection.connected_at"),
    "connectionId": attrgetter("connection.id"),
    "disconnectReason": _disconnect("disconnect_reason"),
    "disconnectStatusCode": _disconnect("disconnect_code"),
    "eventType": attrgetter("event_type"),
    "extendedRequestId": attrgetter("request_id"),
    "messageDirection": lambda invocation: "IN",
    "messageId": lambda invocation: invocation.message_id or None,
}
_BY_PROTOCOL: Final[Mapping[Protocol, Mapping[str, Reader]]] = {
    "WEBSOCKET": _WEBSOCKET_READERS,
    "REST": REST_READERS,
    "HTTP": HTTP_READERS,
}
_KINDS: Final[Mapping[Protocol, str]] = {"WEBSOCKET": "WebSocket", "REST": "REST API", "HTTP": "HTTP API"}
