from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import web

from tests.loadtest.faulty_gateway import Gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A Gateway at `gateway.url` (WebSocket) and `gateway.base`/echo (HTTP)."""
    async with serving() as served:
        yield served


@pytest.fixture
async def tls_gateway() -> AsyncIterator[Gateway]:
    """The same over TLS, with a certificate that nobody trusts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with serving(context) as served:
        yield served


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Gateway]:
    served = Gateway()
    app = web.Application()
    app.add_routes(
        [
            web.get("/prod", served.websocket),
            web.post("/prod/@connections/{id}", served.push),
            web.post("/echo", served.echo),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    served.base = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    served.url = f"{served.base.replace('http', 'ws', 1)}/prod"
    yield served
    await runner.cleanup()
