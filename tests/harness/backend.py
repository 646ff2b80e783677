"""A programmable HTTP backend: it records what it gets and answers as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web


class Received(NamedTuple):
    """One request as the backend got it: `headers` in order, names as sent; `target` is raw, `path` and `query` not."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    target: str = ""

    def header(self, name: str) -> str | None:
        """The last value of a header, whatever its case; None if it is not there."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[-1] if found else None

    @property
    def text(self) -> str:
        return self.body.decode()


Answer = Callable[[Received], Awaitable[web.StreamResponse] | web.StreamResponse]


class Backend:
    """Answers each path as `on` says; all others as `otherwise` does, a 200 with an empty body at first."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._answers: dict[str, Answer] = {}
        self.otherwise: Answer = lambda request: web.Response()
        self._arrived = asyncio.Condition()
        self.url = ""

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def on(self, path: str, status: int = 200, body: str | bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer `path` with this from now on."""
        data = body.encode() if isinstance(body, str) else body
        self._answers[path] = lambda request: web.Response(status=status, body=data, headers=headers)

    def answer(self, path: str, answer: Answer) -> None:
        """Answer `path` with what `answer` gives, sync or async."""
        self._answers[path] = answer

    def echo(self, path: str) -> None:
        """Answer `path` with the body that came."""
        self._answers[path] = lambda request: web.Response(body=request.body)

    @staticmethod
    def nothing(body: bytes = b"") -> web.Response:
        """A 200 for functions given to `answer`."""
        return web.Response(body=body)

    def got(self, path: str) -> list[Received]:
        """The requests for `path` so far."""
        return [request for request in self.requests if request.path == path]

    async def wait_for(self, path: str, count: int = 1, timeout: float = 10) -> list[Received]:
        """The requests for `path`, as soon as there are `count`."""
        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(lambda: len(self.got(path)) >= count)
        return self.got(path)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        received = Received(
            request.method, request.path, request.query_string, headers, await request.read(), request.raw_path
        )
        self.requests.append(received)
        async with self._arrived:
            self._arrived.notify_all()
        answer = self._answers.get(request.path, self.otherwise)
        result = answer(received)
        return result if isinstance(result, web.StreamResponse) else await result
