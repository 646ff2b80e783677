"""How a GatewayError looks to a WebSocket client: the body of a refused handshake, or an error frame.

Both are the service's uniform error object, byte for byte: a space after the first colon and after each comma, none
after the second and third colon. Recorded on the service in September 2026; some clients compare it literally.
"""

from __future__ import annotations

from typing import Final

import orjson

from wsgw.errors import (
    AuthorizerConfigurationError,
    AuthorizerFailure,
    BadRequestBody,
    GatewayError,
    IntegrationFailure,
    ServiceUnavailable,
    WafFiltered,
)
from wsgw.invocation import Invocation, Reply

_INTERNAL: Final = GatewayError.default_message
_BEHIND_US: Final = (IntegrationFailure, AuthorizerFailure, AuthorizerConfigurationError)


def uniform_error(message: str, connection_id: str, request_id: str) -> bytes:
    """The uniform error object. Only `message` may need escaping: ids are URL-safe base64."""
    text = orjson.dumps(message).decode()
    return f'{{"message": {text}, "connectionId":"{connection_id}", "requestId":"{request_id}"}}'.encode()


def _message(error: GatewayError) -> str:
    # REST names the network, and an authorizer's fault null; WebSocket APIs say this for whatever is wrong behind them.
    return _INTERNAL if isinstance(error, _BEHIND_US) else error.message


def websocket_frame(error: GatewayError, invocation: Invocation) -> bytes:
    """The text that a WebSocket client gets; its connection stays open."""
    body = uniform_error(_message(error), invocation.connection.id, invocation.request_id)
    if isinstance(error, BadRequestBody):
        # The developer guide shows a messageId in this one frame.
        body = body[:-1] + f', "messageId":"{invocation.message_id}"}}'.encode()
    return body


def blocked_reply(error: GatewayError) -> Reply | None:
    """What a web ACL answers itself to what it blocks; None where that is left to the API."""
    if not isinstance(error, WafFiltered) or error.response is None:
        return None
    response = error.response
    return Reply(response.status, response.body.encode(), list(response.headers))


def handshake_reply(error: GatewayError, connection_id: str, request_id: str) -> Reply:
    """The HTTP answer to a handshake that the gateway itself refuses."""
    blocked = blocked_reply(error)
    if blocked is not None:
        blocked.headers = [*blocked.headers, ("x-amz-apigw-id", request_id)]
        return blocked
    headers = [("content-type", "application/json; charset=UTF-8"), ("x-amz-apigw-id", request_id)]
    if isinstance(error, ServiceUnavailable):
        headers.append(("retry-after", str(error.retry_after)))
    return Reply(error.status, uniform_error(_message(error), connection_id, request_id), headers)
