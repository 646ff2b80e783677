"""The one control port of many workers: what the supervisor knows itself, and what it asks them over Unix sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, StreamReader, UnixConnector, web
from yarl import URL

from wsgw.control.guard import guard, json_response
from wsgw.control.paging import limit_in
from wsgw.control.port import open_port
from wsgw.control.web_acls import MOST_AT_ONCE
from wsgw.server.exposition import family, merged
from wsgw.server.process import WorkerProcess
from wsgw.server.slots import Slot
from wsgw.settings import Settings

#: How long a worker may take to say how it is; a scrape waits as long at most.
_ASK_SECONDS = 3
#: A page of connections may wait for other nodes. What comes piece by piece may take longer as a whole.
_FORWARD_SECONDS = 30
_TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


class Control:
    """Answers /healthz, /readyz, /metrics and samples for all slots, and has some worker answer everything else.

    `draining` says whether the end has begun.
    """

    def __init__(self, settings: Settings, slots: Sequence[Slot], draining: Callable[[], bool]) -> None:
        self._settings = settings
        self._slots = slots
        self._draining = draining
        self._runner: web.AppRunner | None = None
        self._next = 0

    async def open(self) -> str:
        """Listen; gives the URL. Raises OSError."""
        settings = self._settings
        app = web.Application(middlewares=[guard(settings.control_host)], client_max_size=1 << 20)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._readiness)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/webacls/{api}/{stage}/samples", self._samples)
        app.router.add_route("*", "/connections", self._forward)
        app.router.add_route("*", "/connections/{id}", self._forward)
        app.router.add_route("*", "/revocations", self._forward)
        app.router.add_route("*", "/revocations/{kind}/{name}", self._forward)
        app.router.add_route("*", "/{kind:restapis|v2/apis}/{rest:.+/cache/authorizers}", self._forward)
        app.router.add_route("*", "/principals/{principal}", self._forward)
        app.router.add_route("*", "/usageplans{rest:(?:/.*)?}", self._forward)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        return await open_port(self._runner, settings)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _readiness(self, request: web.Request) -> web.StreamResponse:
        """200 when every worker is ready, else 503 and which are not, a line each."""
        if self._draining():
            return web.Response(status=503, text="draining\n")
        reasons = await asyncio.gather(*map(self._why_not_ready, self._slots))
        lines = [f"worker {slot.number}: {why}\n" for slot, why in zip(self._slots, reasons, strict=True) if why]
        return web.Response(status=503 if lines else 200, text="".join(lines) or "ready\n")

    async def _why_not_ready(self, slot: Slot) -> str:
        if slot.worker is None:
            return "starting"
        try:
            status, text = await _ask(slot.worker, "/readyz")
        except (OSError, ClientError) as error:
            return f"does not answer: {str(error) or type(error).__name__}"
        return "" if status == 200 else text.strip()

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        """The metrics of all workers that answer, and which do not."""
        answers = await asyncio.gather(*map(self._exposition, self._slots))
        numbers = [slot.number for slot in self._slots]
        of_worker = {number: f'worker="{number}"' for number in numbers}
        text = merged({number: answer for number, answer in zip(numbers, answers, strict=True) if answer})
        text += family("wsgw_workers", "gauge", "Worker processes that should run", {"": len(numbers)})
        text += family(
            "wsgw_worker_up",
            "gauge",
            "Whether the worker has answered this scrape",
            {of_worker[number]: int(bool(answer)) for number, answer in zip(numbers, answers, strict=True)},
        )
        text += family(
            "wsgw_worker_restarts_total",
            "counter",
            "Workers that were started anew after one had died",
            {of_worker[slot.number]: slot.restarts for slot in self._slots},
        )
        return web.Response(body=text.encode(), headers=_TEXT)

    async def _exposition(self, slot: Slot) -> str:
        if slot.worker is None:
            return ""
        try:
            status, text = await _ask(slot.worker, "/metrics")
        except (OSError, ClientError):
            return ""
        return text if status == 200 else ""

    async def _samples(self, request: web.Request) -> web.StreamResponse:
        """The samples of all workers that answer, as one that had them all would tell them."""
        status, document = 503, dict[str, Any](message="No worker answers; try again in a moment")
        samples: list[dict[str, Any]] = []
        for slot in self._slots:
            if slot.worker is None:
                continue
            try:
                one, text = await _ask(slot.worker, request.raw_path)
                said = orjson.loads(text)
            except (OSError, ClientError, ValueError):
                continue
            if status != 200:
                status, document = one, said
            if one == 200:
                samples += said["samples"]
        if status == 200:
            samples.sort(key=lambda sample: sample["timestamp"], reverse=True)
            # Each worker has given so many, the workers together may have more.
            document = {**document, "samples": samples[: limit_in(request, MOST_AT_ONCE)]}
        return json_response(status, document)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        """Have a worker answer, a different one each time: the registry is shared, and the bus reaches everywhere."""
        body, url = await request.read(), URL(f"http://localhost{request.raw_path}", encoded=True)
        for _ in self._slots:
            self._next = (self._next + 1) % len(self._slots)
            worker = self._slots[self._next].worker
            if worker is None:
                continue
            try:
                async with (
                    _session(worker, ClientTimeout(sock_read=_FORWARD_SECONDS)) as session,
                    session.request(request.method, url, data=body) as answer,
                ):
                    kind = {"Content-Type": answer.headers.get("Content-Type", "application/json")}
                    if answer.content_length is None:
                        whole = web.StreamResponse(status=answer.status, headers=kind)
                        return await _passed_on(request, whole, answer.content)
                    return web.Response(status=answer.status, body=await answer.read(), headers=kind)
            except (OSError, ClientError):
                # What it did with a message, nobody knows: only a question may be asked again.
                if request.method != "GET":
                    break
        return json_response(503, {"message": "No worker answers; try again in a moment"})


async def _passed_on(request: web.Request, response: web.StreamResponse, content: StreamReader) -> web.StreamResponse:
    """An answer of any length as it comes, such as a bill. Where it ends early, so does the caller's connection."""
    await response.prepare(request)
    try:
        async for piece in content.iter_any():
            await response.write(piece)
        await response.write_eof()
    except (OSError, ClientError):
        if request.transport is not None:
            request.transport.abort()
    return response


def _session(worker: WorkerProcess, timeout: ClientTimeout) -> ClientSession:
    return ClientSession(connector=UnixConnector(worker.order.control), timeout=timeout)


async def _ask(worker: WorkerProcess, path: str) -> tuple[int, str]:
    """Status and text of a worker's answer. Raises OSError (a timeout is one) and ClientError."""
    async with (
        _session(worker, ClientTimeout(_ASK_SECONDS)) as session,
        session.get(f"http://localhost{path}") as answer,
    ):
        return answer.status, await answer.text()
