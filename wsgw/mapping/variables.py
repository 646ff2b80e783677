"""`$context`: its variables one by one, for mappings and access logs, and as a whole, for templates.

No variable reads a query string or a header but the User-Agent: what clients send there may be secret.
Source: developer guide, "WebSocket API mapping template reference" and "… access logging variables".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from operator import attrgetter
from typing import Any, Final

import orjson

from wsgw.errors import (
    BadRequestBody,
    FunctionError,
    IntegrationFailure,
    IntegrationTimeout,
)
from wsgw.invocation import Invocation
from wsgw.mapping.times import clf_time

Value = str | int | float | None
Reader = Callable[[Invocation], Value]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_INTEGRATION_ERRORS: Final = (FunctionError, IntegrationFailure, IntegrationTimeout)
_IDENTITY: Final = (
    "accountId",
    "apiKey",
    "apiKeyId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)


class UnknownVariable(ValueError):
    """A name that `$context` does not have; the message gives the nearest that it has."""


def context_reader(name: str) -> Reader:
    """Reads `$context.{name}` of an invocation: None where it has none. Raises UnknownVariable."""
    reader = _READERS.get(name)
    if reader is not None:
        return reader
    if name.startswith("authorizer."):
        key = name.removeprefix("authorizer.")
        if _NAME.fullmatch(key):
            return _authorizer_reader(key)
    near = get_close_matches(name, _READERS, 1)
    hint = f"; did you mean $context.{near[0]}?" if near else "; see the list of WebSocket variables"
    raise UnknownVariable(f"$context has no variable {name!r}{hint}")


def context_of(invocation: Invocation) -> dict[str, Any]:
    """All of `$context`, nested, as templates see it. A new dict: templates may write into it.

    Fixed members without a value are None; `authorizer` and `error` are there when there is something to say.
    """
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
    if invocation.event_type == "DISCONNECT":
        context["disconnectStatusCode"] = invocation.disconnect_code
        context["disconnectReason"] = invocation.disconnect_reason
    principal = connection.principal
    if principal is not None:
        context["identity"].update(principal.identity)
        context["authorizer"] = {**principal.context, "principalId": principal.id}
    error = invocation.error
    if error is not None:
        context["error"] = {
            "message": error.message,
            "messageString": _error_string(invocation),
            "responseType": error.response_type,
            "validationErrorString": _validation_error(invocation),
        }
    return context


# ---- readers


def _nothing(invocation: Invocation) -> Value:
    return None


def _disconnect(field: str) -> Reader:
    read = attrgetter(field)
    return lambda invocation: read(invocation) if invocation.event_type == "DISCONNECT" else None


def _identity_reader(key: str) -> Reader:
    def read(invocation: Invocation) -> Value:
        principal = invocation.connection.principal
        return None if principal is None else principal.identity.get(key)

    return read


def _authorizer_reader(key: str) -> Reader:
    def read(invocation: Invocation) -> Value:
        principal = invocation.connection.principal
        return None if principal is None else principal.context.get(key)

    return read


def _principal_id(invocation: Invocation) -> Value:
    principal = invocation.connection.principal
    return None if principal is None else principal.id


def _error_message(invocation: Invocation) -> Value:
    return None if invocation.error is None else invocation.error.message


def _error_string(invocation: Invocation) -> Value:
    return None if invocation.error is None else orjson.dumps(invocation.error.message).decode()


def _error_type(invocation: Invocation) -> Value:
    return None if invocation.error is None else invocation.error.response_type


def _validation_error(invocation: Invocation) -> Value:
    error = invocation.error
    return error.detail or None if isinstance(error, BadRequestBody) else None


def _integration_error(invocation: Invocation) -> Value:
    error = invocation.error
    return error.message if isinstance(error, _INTEGRATION_ERRORS) else None


def _integration_latency(invocation: Invocation) -> Value:
    # 0 ms with a status is a backend that is quick; 0 ms without is none at all.
    return invocation.integration_latency if invocation.integration_status or invocation.integration_latency else None


# Nothing is known of `authorize`, `authenticate` and `waf` here; formats of API Gateway name them all the same.
# `integration.integrationStatus` is `integration.status`: no service stands between the gateway and a function.
_READERS: Final[Mapping[str, Reader]] = {
    "apiId": attrgetter("site.api_id"),
    "connectedAt": attrgetter("connection.connected_at"),
    "connectionId": attrgetter("connection.id"),
    "disconnectReason": _disconnect("disconnect_reason"),
    "disconnectStatusCode": _disconnect("disconnect_code"),
    "domainName": attrgetter("connection.domain_name"),
    "error.message": _error_message,
    "error.messageString": _error_string,
    "error.responseType": _error_type,
    "error.validationErrorString": _validation_error,
    "eventType": attrgetter("event_type"),
    "extendedRequestId": attrgetter("request_id"),
    **{f"identity.{key}": _identity_reader(key) for key in _IDENTITY},
    "identity.sourceIp": attrgetter("connection.source_ip"),
    "identity.userAgent": attrgetter("connection.user_agent"),
    "integration.error": _integration_error,
    "integration.integrationStatus": lambda invocation: invocation.integration_status or None,
    "integration.latency": _integration_latency,
    "integration.requestId": _nothing,
    "integration.status": lambda invocation: invocation.integration_status or None,
    "integrationLatency": _integration_latency,
    "messageDirection": lambda invocation: "IN",
    "messageId": lambda invocation: invocation.message_id or None,
    "requestId": attrgetter("request_id"),
    "requestTime": lambda invocation: clf_time(invocation.request_time),
    "requestTimeEpoch": attrgetter("request_time"),
    "routeKey": attrgetter("route_key"),
    "stage": attrgetter("site.stage"),
    "status": attrgetter("status"),
    "authorizer.principalId": _principal_id,
    **{f"authenticate.{part}": _nothing for part in ("error", "latency", "status")},
    **{f"authorize.{part}": _nothing for part in ("error", "latency", "status")},
    **{f"waf.{part}": _nothing for part in ("error", "latency", "status")},
}
