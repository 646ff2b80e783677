"""What a function is told: the Lambda proxy events CONNECT, MESSAGE and DISCONNECT.

Which field occurs where, and the order of keys, are as recorded on the service (September 2026); headers are spelled as
the client sent them, so handlers look them up whatever their case. Every event is made anew: a handler may change it.
Source: developer guide, "Set up a WebSocket API integration request: Lambda proxy input format".
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from wsgw.caller import ConnectionFacts, Principal
from wsgw.integrations.rest_events import by_name
from wsgw.invocation import Headers, Invocation
from wsgw.mapping.client_certificate import client_certificate
from wsgw.mapping.times import clf_time

Event = dict[str, Any]

#: Part of the upgrade, not of what the client says: integration events leave them out.
_OF_THE_UPGRADE = frozenset({"connection", "upgrade", "content-length"})


def event(invocation: Invocation) -> Event:
    """The event of `invocation`, by its type."""
    if invocation.event_type == "MESSAGE":
        return message_event(invocation)
    if invocation.event_type == "CONNECT":
        return connect_event(invocation)
    return disconnect_event(invocation)


def connect_event(invocation: Invocation) -> Event:
    """The event of a handshake: headers, the query if there is one, stage variables if there are any.

    Of all events, this alone shows how long the authorizer took (ms).
    """
    result = _named_values("headers", "multiValueHeaders", _by_name(invocation.headers))
    if invocation.query:
        result |= _named_values("queryStringParameters", "multiValueQueryStringParameters", by_name(invocation.query))
    _add_stage_variables(result, invocation)
    context = _request_context(invocation)
    if invocation.authorization is not None and "authorizer" in context:
        context["authorizer"]["integrationLatency"] = invocation.authorization.function_latency
    result["requestContext"] = context
    result["isBase64Encoded"] = False
    return result


def handshake_members(invocation: Invocation) -> Event:
    """What an authorizer is told of a handshake: all headers, and query and stage variables even if there are none."""
    context = _request_context(invocation)
    context.pop("authorizer", None)  # of one who shows a new token
    return {
        **_named_values("headers", "multiValueHeaders", _by_name(invocation.headers, frozenset())),
        **_named_values("queryStringParameters", "multiValueQueryStringParameters", by_name(invocation.query)),
        "stageVariables": dict(invocation.site.stage_variables),
        "requestContext": context,
    }


def message_event(invocation: Invocation) -> Event:
    """The event of a message: its text, or a binary message in base64. No headers, no query."""
    result: Event = {}
    _add_stage_variables(result, invocation)
    result["requestContext"] = _request_context(invocation)
    if invocation.is_binary:
        result["body"] = b64encode(invocation.body).decode("ascii")
    else:
        result["body"] = invocation.body.decode("utf-8", "replace")
    result["isBase64Encoded"] = invocation.is_binary
    return result


def disconnect_event(invocation: Invocation) -> Event:
    """The event of a closed connection. Its headers are no client's: the service makes them up, mostly empty."""
    headers = {
        "Host": invocation.connection.domain_name,
        "x-api-key": "",
        "X-Forwarded-For": "",
        "x-restapi": "",
    }
    result: Event = {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
    }
    _add_stage_variables(result, invocation)
    result["requestContext"] = _request_context(invocation)
    result["isBase64Encoded"] = False
    return result


def _request_context(invocation: Invocation) -> dict[str, Any]:
    connection = invocation.connection
    site = invocation.site
    event_type = invocation.event_type
    request_id = invocation.request_id
    request_time = invocation.request_time
    principal = connection.principal

    context: dict[str, Any] = {"routeKey": invocation.route_key}
    # A caller with a signature has an identity; only an authorizer's answer has a section of its own.
    if principal is not None and principal.kind != "IAM":
        context["authorizer"] = _authorizer(principal)
    if event_type == "MESSAGE":
        context["messageId"] = invocation.message_id
    elif event_type == "DISCONNECT":
        context["disconnectStatusCode"] = invocation.disconnect_code
    context["eventType"] = event_type
    context["extendedRequestId"] = request_id
    context["requestTime"] = clf_time(request_time)
    context["messageDirection"] = "IN"
    if event_type == "DISCONNECT":
        context["disconnectReason"] = invocation.disconnect_reason
    context["stage"] = site.stage
    context["connectedAt"] = connection.connected_at
    context["requestTimeEpoch"] = request_time
    context["identity"] = _identity(connection)
    context["requestId"] = request_id
    context["domainName"] = connection.domain_name
    context["connectionId"] = connection.id
    context["apiId"] = site.api_id
    return context


def _authorizer(principal: Principal) -> dict[str, Any]:
    section: dict[str, Any] = {"principalId": principal.id}
    section.update(principal.context)
    # Again, now in its place as the first: a context key of this name must not say who is calling.
    section["principalId"] = principal.id
    return section


def _identity(connection: ConnectionFacts) -> dict[str, Any]:
    identity: dict[str, Any] = dict(connection.principal.identity) if connection.principal is not None else {}
    if connection.api_key is not None:
        identity["apiKey"], identity["apiKeyId"] = connection.api_key.value, connection.api_key.id
    if connection.certificate is not None:
        identity["clientCert"] = client_certificate(connection.certificate.der)
    if connection.user_agent is not None:
        identity["userAgent"] = connection.user_agent
    identity["sourceIp"] = connection.source_ip
    return identity


def _add_stage_variables(result: Event, invocation: Invocation) -> None:
    variables = invocation.site.stage_variables
    if variables:
        result["stageVariables"] = dict(variables)


def _by_name(headers: Headers, left_out: frozenset[str] = _OF_THE_UPGRADE) -> dict[str, list[str]]:
    """All values of each header in order, under its first spelling."""
    spelled: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in left_out:
            values.setdefault(spelled.setdefault(lower, name), []).append(value)
    return values


def _named_values(single: str, multiple: str, values: dict[str, list[str]]) -> Event:
    """Both forms in which an event shows repeatable things: the last value of each name, and all of them."""
    return {single: {name: each[-1] for name, each in values.items()}, multiple: values}
