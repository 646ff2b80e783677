"""A gateway inside the test: started on a free port, its time set by the test, its APIs written as dictionaries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.harness.raw_websocket import RawWebSocket
from wsgw.app import App
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, IntegrationResponse, Route
from wsgw.edge.connection import Connection
from wsgw.edge.node import Clock
from wsgw.integrations.handler_context import Handler
from wsgw.settings import Settings

MOCK_200 = {"$default": '{"statusCode": 200}'}


class TestClock(Clock):
    """Real time plus what the test has added: `advance(601)` makes ten minutes pass at once.

    After `stand_still` no time passes but what is added: however long a busy machine takes, it is no time of the
    gateway's. A look at the clock takes ten nanoseconds, so that what comes later is later.
    """

    __test__ = False

    def __init__(self) -> None:
        self.added = 0.0
        self._stands_at: tuple[float, int] | None = None

    def stand_still(self) -> None:
        self._stands_at = time.monotonic(), time.time_ns() // 1_000_000

    def now(self) -> float:
        if self._stands_at is None:
            return time.monotonic() + self.added
        self.added += 1e-8
        return self._stands_at[0] + self.added

    def wall_ms(self) -> int:
        began = time.time_ns() // 1_000_000 if self._stands_at is None else self._stands_at[1]
        return began + int(self.added * 1000)

    async def sleep(self, seconds: float) -> None:
        end = self.now() + seconds
        while self.now() < end:
            await asyncio.sleep(min(0.001, seconds))


def http(uri: str, **members: Any) -> Integration:
    """An HTTP_PROXY integration."""
    return Integration(type="HTTP_PROXY", uri=uri, **members)


def mock(text: str, **members: Any) -> Integration:
    """A MOCK integration that answers `text`, a response template."""
    response = IntegrationResponse(key="$default", response_templates={"$default": text})
    return Integration(type="MOCK", request_templates=MOCK_200, responses=(response,), **members)


def route(key: str, integration: Integration | None = None, **members: Any) -> Route:
    return Route(key=key, integration=integration, **members)


def api(*routes: Route, id: str = "chat", stage: Stage | None = None, **members: Any) -> Api:
    """A WebSocket API with one stage, `prod` unless `stage` is given."""
    stage = stage or Stage(name="prod")
    members.setdefault("route_selection_expression", "$request.body.action")
    members.setdefault("stages", {stage.name: stage})
    return Api(id=id, name=id, protocol="WEBSOCKET", routes={one.key: one for one in routes}, **members)


class TestGateway:
    """An App under test."""

    __test__ = False

    def __init__(
        self,
        lanes: bool,
        *,
        access_keys: tuple[AccessKey, ...] = (),
        tokens: tuple[str, ...] = (),
        **settings: Any,
    ) -> None:
        settings.setdefault("access_log", "")
        self.clock = TestClock()
        self.settings = msgspec.structs.replace(Settings(), port=0, control_port=0, lanes=lanes, **settings)
        self.app = App(self.settings, access_keys=access_keys, management_tokens=tokens, clock=self.clock)
        self.url = self.control = ""
        self.urls: tuple[str, ...] = ()
        self._clients: list[RawWebSocket] = []

    async def start(self) -> TestGateway:
        listening = await self.app.start()
        self.url, self.control = listening.data, listening.control
        self.urls = (listening.data, *listening.also)
        return self

    def serve(
        self, *routes: Route, base: Path | None = None, handlers: Mapping[str, Handler] | None = None, **members: Any
    ) -> Api:
        """Deploy one API `chat` with these routes and a stage `prod`; see `api` for `members`.

        handlers: what the uri of a PYTHON integration stands for, where it is no `module:function` below `base`.
        """
        one = api(*routes, **members)
        self.app.deploy([one], base, handlers)
        return one

    def deploy(self, *apis: Api, base: Path | None = None, handlers: Mapping[str, Handler] | None = None) -> None:
        self.app.deploy(apis, base, handlers)

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        self.clock.added += seconds
        self.app.sweep()

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    async def connect(self, path: str = "/prod", **options: Any) -> RawWebSocket:
        """A raw client, connected, dropped when the gateway stops. Raises HandshakeRefused."""
        client = await RawWebSocket.connect(self.ws_url + path, **options)
        self._clients.append(client)
        return client

    @property
    def connections(self) -> list[Connection]:
        """The open connections, as the node holds them."""
        return list(self.app.node)

    async def stop(self, drain: float = 0) -> int:
        for client in self._clients:
            await client.drop()
        # They are usually gone within a turn or two of the loop; the gateway looks again only after a while.
        for _ in range(10 if self._clients else 0):
            await asyncio.sleep(0)
        return await self.app.stop(drain=drain)
