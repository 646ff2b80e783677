"""The servers that the Autobahn suite is run against, one line each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import WSMsgType, web

from tests.autobahn.echo_server import codec_echo
from tests.harness.gateway import TestGateway, route
from wsgw.definitions.api import Stage, StageLimits
from wsgw.definitions.route import Integration
from wsgw.integrations.handler_context import Context

Serve = Callable[[], AbstractAsyncContextManager[str]]

LIMITS = StageLimits(frame_bytes=0, message_bytes=2**25)


async def echo(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """A handler that answers what was sent, binary for binary."""
    if not event["body"]:
        # An empty answer is none; an empty message is a push.
        id = event["requestContext"]["connectionId"]
        await context.connections.post(id, b"", binary=event["isBase64Encoded"])
    if event["isBase64Encoded"]:
        binary = {"content-type": "application/octet-stream"}
        return {"statusCode": 200, "headers": binary, "body": event["body"], "isBase64Encoded": True}
    return {"statusCode": 200, "body": event["body"]}


@asynccontextmanager
async def gateway_echo(lanes: bool) -> AsyncIterator[str]:
    """The gateway, with a two-way `$default` route to a handler in its process. The suite sends 16 MiB at once."""
    gateway = TestGateway(lanes, compression=True, outbox_bytes=2**26, body_seconds=300, close_seconds=2)
    await gateway.start()
    try:
        gateway.serve(
            route("$default", Integration(type="PYTHON", uri="echo"), two_way=True),
            handlers={"echo": echo},
            binary_messages="PASS",
            stage=Stage(name="prod", limits=LIMITS),
        )
        yield f"{gateway.ws_url}/prod"
    finally:
        await gateway.stop()


#: Name (as in expected.json) to what serves it: an echo server that takes messages of 16 MiB, and gives its URL.
TARGETS: dict[str, Serve] = {
    "codec": codec_echo,
    "gateway": partial(gateway_echo, lanes=True),
    "gateway-without-lanes": partial(gateway_echo, lanes=False),
}


@asynccontextmanager
async def aiohttp_echo() -> AsyncIterator[str]:
    """aiohttp's own WebSocket: known to get one case wrong, which the driver must see."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
