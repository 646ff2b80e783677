"""How a GatewayError looks to a caller of a REST API: its GatewayResponse.

Source: developer guide, "Gateway responses in API Gateway"; recorded on the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from wsgw.definitions.api import GatewayResponse
from wsgw.errors import AccessDenied, GatewayError
from wsgw.invocation import HttpInvocation, Reply


def rest_refuser(
    responses: Mapping[str, GatewayResponse],
) -> Callable[[GatewayError, HttpInvocation], Reply]:
    """Gives the reply to an error of an invocation, by the GatewayResponses that the API sets."""

    def refuse(error: GatewayError, invocation: HttpInvocation) -> Reply:
        key = "Message" if isinstance(error, AccessDenied) else "message"
        body = orjson.dumps({key: error.message})
        return Reply(error.status, body, [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.error_type)])

    return refuse
