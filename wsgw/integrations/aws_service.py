"""AWS integrations: the mapped request, signed, to any service; a Lambda function's own API included."""

from __future__ import annotations

import orjson

from wsgw.errors import GatewayError
from wsgw.integrations.aws_request import aws_uri, function_of, in_envelope, service_request, wraps
from wsgw.integrations.aws_services import AwsServices
from wsgw.invocation import FunctionReply, IntegrationRequest, Reply


class AwsIntegration:
    """Calls what a request's url names, an `arn:aws:apigateway:…` with its variables filled in.

    `services` is shared by all routes. `credentials`: the ARN of the integration's role, None for the gateway's own.
    """

    __slots__ = ("_credentials", "_services")

    def __init__(self, services: AwsServices, credentials: str | None = None) -> None:
        self._services = services
        # `arn:aws:iam::*:user/*` passes the caller's own credentials on: nobody but AWS can.
        self._credentials = None if credentials is None or "*" in credentials else credentials

    async def invoke(self, request: IntegrationRequest) -> Reply:
        """Give the service's answer, an error's included: integration responses choose by its status.

        A Lambda function's answer is a FunctionReply. Raises IntegrationTimeout, IntegrationFailure, and GatewayError
        where the request cannot be made or signed, or Lambda does not run the function.
        """
        uri = aws_uri(request.url.partition("?")[0])
        service = await self._services.find(uri.name, uri.region)
        reply = await self._services.send(service, service_request(uri, service, request, self._credentials))
        function = function_of(request.url)
        if function is not None:
            return _function_reply(function, reply)
        if uri.is_action and wraps(service) and reply.status < 300:
            request_id = reply.header("x-amzn-requestid") or ""
            return Reply(reply.status, in_envelope(uri.rest, reply.body, request_id), reply.headers)
        return reply


def _function_reply(function: str, reply: Reply) -> FunctionReply:
    if reply.status >= 300:
        # No permission, throttled, no such function: nothing that an integration response could choose by.
        why = reply.header("x-amzn-errortype") or ""
        raise GatewayError(detail=f"lambda {function}: {reply.status} {why}"[:400])
    if reply.header("x-amz-function-error") is None:
        return FunctionReply(reply.status, reply.body, reply.headers, None)
    try:
        told = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        told = None
    message = told.get("errorMessage") if isinstance(told, dict) else None
    return FunctionReply(reply.status, reply.body, reply.headers, message if isinstance(message, str) else "")
