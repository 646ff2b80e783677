"""Asking an authorizer: a Lambda function, an HTTP endpoint that its event is posted to, a Python function.

Each answers with a result as Lambda authorizers give it. An endpoint's 401 means that the caller is not known, its 403
that they may not; a function says the former by an error of exactly this text: Unauthorized.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from wsgw.authorizers.lambda_verifier import Answered, CallAuthorizer
from wsgw.authorizers.results import MOST_RESULT
from wsgw.errors import (
    ApiConfigurationError,
    AuthorizerConfigurationError,
    AuthorizerFailure,
    FunctionError,
    GatewayError,
    IntegrationFailure,
    IntegrationTimeout,
    Unauthorized,
)
from wsgw.integrations.drive import apart
from wsgw.integrations.http_pool import HttpPool, Target, header_block
from wsgw.integrations.lambda_ import LambdaClients
from wsgw.integrations.local import PythonIntegration

Event = dict[str, Any]

_UNAUTHORIZED: Final = "Unauthorized"
_JSON: Final = (("Content-Type", "application/json"), ("Accept", "application/json"))


def call_function(clients: LambdaClients, function: str, timeout: float) -> CallAuthorizer:
    """Calls a Lambda function, by its name or ARN."""

    async def call(event: Event, request_id: str, answered: Answered) -> None:
        def heard(id: str) -> None:
            answered.request_id, answered.status = id, 200

        try:
            result = await apart(clients.invoke(function, orjson.dumps(event), timeout, heard))
        except GatewayError as error:
            raise _ours(error) from error
        _read(result, answered)

    return call


def call_endpoint(pool: HttpPool, target: Target, timeout: float) -> CallAuthorizer:
    """Posts the event to an HTTP endpoint."""
    headers = header_block(_JSON)

    async def call(event: Event, request_id: str, answered: Answered) -> None:
        try:
            reply = await pool.send_to(target, "POST", headers, orjson.dumps(event), timeout)
        except GatewayError as error:
            refused = _ours(error)
            refused.detail = f"{target.authority}: {refused.detail}"
            raise refused from error
        answered.status = reply.status
        answered.request_id = reply.header("x-request-id") or ""
        if reply.status == 401:
            raise Unauthorized(detail="the authorizer answered 401")
        if reply.status == 403:
            return
        if reply.status != 200:
            raise AuthorizerFailure(detail=f"the authorizer answered {reply.status}")
        _read(reply.body, answered)

    return call


def call_python(function: PythonIntegration, timeout: float) -> CallAuthorizer:
    """Calls a Python function: `async def authorize(event, context)`, or a plain one in a thread."""
    unlogged = frozenset((_UNAUTHORIZED,))

    async def call(event: Event, request_id: str, answered: Answered) -> None:
        try:
            result = await apart(function.call(event, request_id, timeout, unlogged))
        except GatewayError as error:
            raise _ours(error) from error
        answered.status = 200
        try:
            # As JSON, so that it means what the same result of a Lambda function would.
            written = orjson.dumps(result)
        except orjson.JSONEncodeError as error:
            raise AuthorizerConfigurationError(detail="the authorizer's result has no JSON form") from error
        _read(written, answered)

    return call


def _read(result: bytes, answered: Answered) -> None:
    answered.size = len(result)
    if answered.size > MOST_RESULT:
        return  # the verifier refuses it, by its size
    try:
        answered.document = orjson.loads(result)
    except orjson.JSONDecodeError as error:
        raise AuthorizerConfigurationError(detail="the authorizer's result is not JSON") from error
    if answered.document is None:
        # Not to be taken for a plain no.
        raise AuthorizerConfigurationError(detail="the authorizer's result is null")


def _ours(error: GatewayError) -> GatewayError:
    """What an error of a call means of an authorizer."""
    if isinstance(error, FunctionError):
        if error.function_message == _UNAUTHORIZED:
            return Unauthorized(detail="the authorizer said so")
        return AuthorizerFailure(detail=error.detail)
    if isinstance(error, IntegrationTimeout):
        return AuthorizerFailure(detail=f"timeout: {error.detail}")
    if isinstance(error, IntegrationFailure):
        return AuthorizerFailure(detail=error.detail)
    if isinstance(error, ApiConfigurationError) or type(error) is GatewayError:
        # Not to be called at all: no permission, no such function, no address.
        return AuthorizerConfigurationError(detail=error.detail)
    return error
