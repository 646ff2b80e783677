"""Calls to @connections, byte for byte as a client sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response, exchange
from wsgw.authorizers.iam import SignedRequest


def call(
    gateway: TestGateway,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: Sequence[tuple[str, str]] = (),
    *,
    host: str | None = None,
) -> bytes:
    """A request's bytes. `target` as it shall stand in the request line; a POST has a Content-Length in any case."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or urlsplit(gateway.url).netloc}"]
    if body is not None or method == "POST":
        lines.append(f"Content-Length: {len(body or b'')}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def signed_call(request: SignedRequest) -> bytes:
    """The bytes of a request that was signed."""
    lines = [f"{request.method} {request.raw_target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers if name.lower() != "content-length"]
    lines.append(f"Content-Length: {len(request.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + request.body


async def manage(
    gateway: TestGateway,
    method: str,
    id: str,
    body: bytes | None = None,
    headers: Sequence[tuple[str, str]] = (),
    *,
    base: str = "/prod",
) -> Response:
    """One call about the connection `id`, on a TCP connection of its own."""
    target = f"{base}/@connections/{quote(id, safe='')}"
    return await exchange(gateway.url, call(gateway, method, target, body, headers))


async def fill(gateway: TestGateway, id: str) -> None:
    """Send to a client that does not read, until neither the kernel nor TLS takes any more."""
    connection = gateway.app.push.local(id)
    assert connection is not None
    for _ in range(400):
        if gateway.app.push.send(connection, b"x" * 65_536):
            continue
        taken = asyncio.Event()
        connection.when_taken(lambda ok, taken=taken: taken.set())  # type: ignore[misc]
        try:
            await asyncio.wait_for(taken.wait(), 0.1)
        except TimeoutError:
            return
    raise AssertionError("everything was taken")


async def call_once(gateway: TestGateway, request: bytes) -> Response:
    """Send `request` as it is; its answer."""
    return await exchange(gateway.url, request)
