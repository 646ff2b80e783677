"""A server that speaks Lambda's Invoke API and does what a test tells it to do.

It has no signatures to check and no functions to run: a test says per function what the service would answer.
Source: Lambda API reference, "Invoke"; error forms as the rest-json protocol has them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from aiohttp import web

from tests.harness.aws_services import aws_environment

#: Lambda refuses larger events of synchronous calls.
MOST_BYTES = 6_291_456


class Call(NamedTuple):
    """One Invoke as it came: the function as named, the event, the region that the signature is for, and the socket."""

    function: str
    event: Any
    region: str
    peer: tuple[str, int]
    headers: Mapping[str, str]


class Answer(NamedTuple):
    """What the service answers; `headers` beyond the usual ones."""

    status: int
    body: bytes
    headers: dict[str, str] = {}  # noqa: RUF012  # never changed


Function = Callable[[Any], Awaitable[Answer]]


def returns(result: Any) -> Function:
    """A function that succeeds with `result`."""

    async def function(_event: Any) -> Answer:
        return Answer(200, json.dumps(result).encode())

    return function


def raises(error_type: str, message: str = "went wrong", kind: str = "Unhandled") -> Function:
    """A function that fails: the service still answers 200, with X-Amz-Function-Error."""

    async def function(_event: Any) -> Answer:
        body = {"errorMessage": message, "errorType": error_type, "stackTrace": []}
        return Answer(200, json.dumps(body).encode(), {"X-Amz-Function-Error": kind})

    return function


def answers(status: int, body: bytes, **headers: str) -> Function:
    """A service that answers just this."""

    async def function(_event: Any) -> Answer:
        return Answer(status, body, headers)

    return function


def refuses(status: int, code: str, message: str = "no") -> Function:
    """A service that does not run the function."""
    body = json.dumps({"Type": "User", "message": message, "Message": message}).encode()

    async def function(_event: Any) -> Answer:
        return Answer(status, body, {"x-amzn-ErrorType": code})

    return function


class Never:
    """A function that runs until its caller goes. `started` and `abandoned` tell a test when."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.abandoned = asyncio.Event()

    async def __call__(self, _event: Any) -> Answer:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.abandoned.set()
        raise AssertionError


class LambdaEndpoint:
    """The server, on a free port of the loopback interface. `functions` by the name that callers use."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.calls: list[Call] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> LambdaEndpoint:
        application = web.Application(client_max_size=2 * MOST_BYTES)
        application.router.add_post("/2015-03-31/functions/{function}/invocations", self._invoke)
        self._runner = web.AppRunner(application, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _invoke(self, request: web.Request) -> web.Response:
        name = unquote(request.match_info["function"])
        payload = await request.read()
        # Authorization: AWS4-HMAC-SHA256 Credential={key}/{date}/{region}/lambda/aws4_request, …
        region = request.headers["Authorization"].split("/")[2]
        assert request.transport is not None
        function = self.functions.get(name) or refuses(404, "ResourceNotFoundException", f"Function not found: {name}")
        if len(payload) > MOST_BYTES:
            function = refuses(413, "RequestTooLargeException", "Request must be smaller than 6291456 bytes")
        event = json.loads(payload)
        peer = request.transport.get_extra_info("peername")
        self.calls.append(Call(name, event, region, peer, request.headers))
        answer = await function(event)
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers={"x-amz-executed-version": "$LATEST", "Content-Type": "application/json", **answer.headers},
        )


@asynccontextmanager
async def lambda_service(monkeypatch: pytest.MonkeyPatch, region: str = "us-east-1") -> AsyncIterator[LambdaEndpoint]:
    """A Lambda service without functions, which whatever calls functions finds by its environment."""
    async with LambdaEndpoint() as endpoint:
        aws_environment(monkeypatch, region=region)
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint.url)
        yield endpoint
