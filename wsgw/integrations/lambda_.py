"""Lambda integrations: functions in AWS, or behind whatever endpoint botocore finds (AWS_ENDPOINT_URL_LAMBDA).

The SDK is imported, beside whatever goes on, when the first function is deployed, not before: it costs half a second
and 24 megabytes, and most gateways call no function.
Source: Lambda API reference, "Invoke"; developer guide, "Lambda error handling in API Gateway".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, NoReturn

import orjson

from wsgw.errors import FunctionError, GatewayError, IntegrationFailure, IntegrationTimeout
from wsgw.integrations.proxy_result import Answer, proxy_reply
from wsgw.invocation import IntegrationRequest, Reply

#: No wait of the SDK's own ends before the integration's: Lambda itself allows 15 minutes.
_LONGEST = 900


class LambdaClients:
    """SDK clients for Lambda, one per region, made when first looked for. Who made this object closes it.

    Region, credentials, profile, endpoint and proxies are found as botocore finds them. `max_connections` counts per
    region.
    """

    def __init__(self, max_connections: int = 256) -> None:
        self._max_connections = max_connections
        self._clients: dict[str | None, Any] = {}
        self._making: dict[str | None, asyncio.Task[Any]] = {}
        self._opened = AsyncExitStack()

    def look(self, function: str) -> None:
        """Begin to make ready what calls `function`: it takes some tenths of a second, of no caller's time then.

        Where that fails, or no loop runs yet, whoever calls tries again and is told.
        """
        region = region_of(function)
        if region not in self._clients and asyncio._get_running_loop() is not None:
            self._begin(region)

    async def invoke(
        self, function: str, payload: bytes, timeout: float, heard: Callable[[str], None] | None = None
    ) -> bytes:
        """Call `function` (its name or ARN, whole or partial, with a version or alias or without) and give its result.

        payload: JSON. timeout: seconds to the whole answer; nothing is tried twice. heard: called with Lambda's request
        id when Lambda has answered. Raises FunctionError where the function failed, IntegrationTimeout,
        IntegrationFailure, and GatewayError where the call could not be made or Lambda refused it.
        """
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                client = await self._client(region_of(function))
                answer = await client.invoke(FunctionName=function, Payload=payload)
                if heard is not None:
                    heard(answer["ResponseMetadata"].get("RequestId", ""))
                async with answer["Payload"] as stream:
                    result: bytes = await stream.read()
        except Exception as error:
            if deadline.expired():
                raise IntegrationTimeout(detail=f"lambda {function}") from error
            _raise_ours(error, function)
        if "FunctionError" in answer:
            raise _function_error(result)
        return result

    async def close(self) -> None:
        """Close every client. What is still being called fails."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        self._clients.clear()
        await self._opened.aclose()

    async def _client(self, region: str | None) -> Any:
        client = self._clients.get(region)
        if client is not None:
            return client
        return await asyncio.shield(self._begin(region))

    def _begin(self, region: str | None) -> asyncio.Task[Any]:
        # Everybody who waits shares one attempt and how it ends; whoever comes after a failure makes a new one.
        making = self._making.get(region)
        if making is None:
            making = self._making[region] = asyncio.get_running_loop().create_task(self._make(region))
            making.add_done_callback(partial(self._made, region))
        return making

    def _made(self, region: str | None, making: asyncio.Task[Any]) -> None:
        del self._making[region]
        if not making.cancelled() and making.exception() is None:
            self._clients[region] = making.result()

    async def _make(self, region: str | None) -> Any:
        # In a thread, and the models are read in one too: meanwhile other connections' messages go on.
        config_of, session_of, missing = await asyncio.to_thread(_sdk)
        session = session_of()
        if region is not None:
            # For credentials too: roles are assumed in a region.
            session.set_config_variable("region", region)
        # A client made without credentials would never look for them again.
        if await session.get_credentials() is None:
            raise missing
        config = config_of(
            connect_timeout=_LONGEST,
            read_timeout=_LONGEST,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=self._max_connections,
            warm_up_loader_caches=True,
        )
        client = session.create_client("lambda", region_name=region, config=config)
        return await self._opened.enter_async_context(client)


class LambdaIntegration:
    """Calls the Lambda function that a request names, with the request's event.

    `answer` reads the function's result with the help of the request's `target`; without it the result is read as
    WebSocket APIs do, by the event's type.
    """

    def __init__(self, clients: LambdaClients, answer: Answer | None = None) -> None:
        self._clients = clients
        self._answer = answer

    async def invoke(self, request: IntegrationRequest) -> Reply:
        """Raises what LambdaClients.invoke raises, and what `answer` does for a result that it cannot use."""
        event = request.event
        if event is None:
            raise GatewayError(detail=f"lambda {request.url}: a request without an event")
        result = await self._clients.invoke(request.url, orjson.dumps(event), request.timeout)
        if self._answer is not None:
            return self._answer(result, request.target)
        return proxy_reply(result, event["requestContext"]["eventType"])


def region_of(function: str) -> str | None:
    """The region that a function's ARN names; None for a name or a partial ARN, which botocore's own region is for."""
    parts = function.split(":")
    return parts[3] or None if parts[0] == "arn" and len(parts) > 3 else None


def _sdk() -> tuple[Any, Any, type[Exception]]:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession
    from botocore.exceptions import NoCredentialsError

    return AioConfig, AioSession, NoCredentialsError


def _function_error(result: bytes) -> FunctionError:
    """The errorType that Lambda gives. Not the message: it may repeat what a client sent, and this goes to the log."""
    try:
        told = orjson.loads(result)
    except orjson.JSONDecodeError:
        told = None
    told = told if isinstance(told, dict) else {}
    kind, message = told.get("errorType"), told.get("errorMessage")
    error = FunctionError(detail=f"function error: {kind}"[:200] if isinstance(kind, str) else "function error")
    error.function_message = message if isinstance(message, str) else ""
    return error


def _raise_ours(error: Exception, function: str) -> NoReturn:
    """Raise what our callers know for an error of the SDK, with the remedy in its detail; any other error as it is."""
    # Imported by now, or `error` came from importing it.
    from aiohttp import ClientError as HttpError
    from botocore import exceptions as sdk

    told: str
    match error:
        case sdk.ClientError(response={"Error": {"Code": code, "Message": message}}):
            told = f"{code}: {message}"
        case sdk.HTTPClientError() | sdk.ConnectionError() | sdk.IncompleteReadError() | HttpError() | OSError():
            raise IntegrationFailure(detail=f"lambda {function}: {type(error).__name__}") from error
        case sdk.NoRegionError():
            told = "no AWS region: set AWS_DEFAULT_REGION or the profile's region, or give the function's whole ARN"
        case sdk.NoCredentialsError():
            told = "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        case sdk.ClientError() | sdk.BotoCoreError() | ValueError():
            told = str(error)
        case _:
            raise error
    raise GatewayError(detail=f"lambda {function}: {told}"[:400]) from error
