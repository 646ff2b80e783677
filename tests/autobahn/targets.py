"""The servers that the Autobahn suite is run against, one line each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiohttp import WSMsgType, web

from tests.autobahn.echo_server import codec_echo

Serve = Callable[[], AbstractAsyncContextManager[str]]

#: Name (as in expected.json) to what serves it: an echo server that takes messages of 16 MiB, and gives its URL.
TARGETS: dict[str, Serve] = {"codec": codec_echo}


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
