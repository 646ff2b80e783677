"""wsgw as a library: WebSocket APIs whose routes are functions of this program, without a definition file.

gateway = Gateway(port=8080)
chat = gateway.websocket("chat")

@chat.route("sendMessage", two_way=True)
async def send_message(event, context):
    return {"statusCode": 200, "body": "sent"}

gateway.run()
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from wsgw.app import App, Listening
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.route import TIMEOUT_MS, Integration, Route
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.edge.push import Push
from wsgw.settings import load

HandlerFunction = TypeVar("HandlerFunction", bound=Callable[..., Any])


class WebSocketApi:
    """One WebSocket API; `route` adds functions to it. See Gateway.websocket."""

    def __init__(self, id: str, route_selection_expression: str, stage: Stage) -> None:
        self._id = id
        self._expression = route_selection_expression
        self._stage = stage
        self._routes: dict[str, Route] = {}
        self.handlers: dict[str, Callable[..., Any]] = {}

    def route(
        self, key: str, *, two_way: bool = False, timeout_ms: int = TIMEOUT_MS, api_key_required: bool = False
    ) -> Callable[[HandlerFunction], Any]:
        """Make the decorated function the route `key`: `$connect`, `$disconnect`, `$default` or a value of its own.

        The function gets (event, context) as a Lambda function does, `context.connections` has post, get and delete.
        two_way: its result's `body` is sent to the client; api_key_required: for `$connect`. Raises ValueError for a
        key that is taken.
        """
        if key in self._routes:
            raise ValueError(f"API {self._id!r} has a route {key!r} already")

        def add(handler: HandlerFunction) -> HandlerFunction:
            name = f"{self._id}/{key}"
            self.handlers[name] = handler
            integration = Integration(type="PYTHON", uri=name, timeout_ms=timeout_ms)
            self._routes[key] = Route(
                key=key, integration=integration, two_way=two_way, api_key_required=api_key_required
            )
            return handler

        return add

    def api(self) -> Api:
        """The definition of what was added so far."""
        return Api(
            id=self._id,
            name=self._id,
            protocol="WEBSOCKET",
            route_selection_expression=self._expression,
            routes=dict(self._routes),
            stages={self._stage.name: self._stage},
        )


class Gateway:
    """A gateway in this process. `settings` are those of wsgw/settings.py, by name; the environment is not read.

    Use `run()` for a program of its own, or `async with gateway:` inside one that has a loop. Raises SettingError.
    """

    def __init__(
        self,
        *,
        access_keys: tuple[AccessKey, ...] = (),
        api_keys: tuple[ApiKey, ...] = (),
        usage_plans: tuple[UsagePlan, ...] = (),
        **settings: Any,
    ) -> None:
        self._settings = load(settings).settings
        self._access_keys = access_keys
        self._api_keys, self._usage_plans = api_keys, usage_plans
        self._apis: dict[str, WebSocketApi] = {}
        self._app: App | None = None
        self.listening: Listening | None = None

    def websocket(
        self,
        id: str,
        *,
        route_selection_expression: str = "$request.body.action",
        stage: str = "prod",
        limits: StageLimits | None = None,
    ) -> WebSocketApi:
        """The WebSocket API `id`, made when first asked for."""
        if id not in self._apis:
            one = WebSocketApi(id, route_selection_expression, Stage(name=stage, limits=limits or StageLimits()))
            self._apis[id] = one
        return self._apis[id]

    @property
    def connections(self) -> Push:
        """post, get and delete on live connections, for code outside of a handler. Only while the gateway runs."""
        if self._app is None:
            raise RuntimeError("the gateway does not run: use gateway.run(), or `async with gateway:`")
        return self._app.push

    async def __aenter__(self) -> Gateway:
        app = App(self._settings, access_keys=self._access_keys, api_keys=self._api_keys, usage_plans=self._usage_plans)
        handlers = {name: handler for one in self._apis.values() for name, handler in one.handlers.items()}
        try:
            self.listening = await app.start()
            app.deploy([one.api() for one in self._apis.values()], handlers=handlers)
        except BaseException:
            await app.stop(drain=0)
            raise
        self._app = app
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        app, self._app = self._app, None
        if app is not None:
            await app.stop(drain=None if error is None else 0)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain."""
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with self:
            assert self.listening is not None
            data, control, node, *_ = self.listening
            print(f"ready data={data} control={control} node={node} workers=1", flush=True)  # noqa: T201
            await stop.wait()
