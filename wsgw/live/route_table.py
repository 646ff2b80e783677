"""What is ready to serve: LiveRoute, LiveStage, and the look-up of a message's route."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import StageLimits
from wsgw.errors import AccessDenied
from wsgw.integrations.drive import apart
from wsgw.invocation import Invocation
from wsgw.observe.metrics import RouteMetrics
from wsgw.pipeline.run import Step, run


class LiveRoute:
    """A route bound to its steps. `two_way`: the last step's reply goes back to the client.

    needs_task: a step asks for the current task, as libraries and Python handlers may; see integrations/drive.py.
    """

    __slots__ = ("key", "metrics", "needs_task", "steps", "two_way")

    def __init__(
        self,
        key: str,
        steps: Sequence[Step],
        metrics: RouteMetrics,
        *,
        two_way: bool = False,
        needs_task: bool = False,
    ) -> None:
        self.key = key
        self.steps = tuple(steps)
        self.metrics = metrics
        self.two_way = two_way
        self.needs_task = needs_task

    async def run(self, invocation: Invocation) -> None:
        """Walk the steps. Raises the GatewayError of the step that refuses."""
        if self.needs_task:
            await apart(run(self.steps, invocation))
        else:
            await run(self.steps, invocation)


class LiveStage:
    """One stage of one API, ready to serve and never changed.

    `routes` has the routes that a message can select; `$connect`, `$disconnect` and `$default` stand apart, so that no
    message can name them. `unmatched` counts what finds no route. `log_line` formats one access log line, or is None.
    """

    __slots__ = (
        "allowed_origins",
        "api_id",
        "api_tag",
        "binary_pass",
        "compression",
        "concurrency",
        "connect",
        "default",
        "disconnect",
        "heartbeat",
        "limits",
        "log_line",
        "management",
        "new_connections",
        "routes",
        "select",
        "stage",
        "stage_variables",
        "subprotocols",
        "text_bytes",
        "unmatched",
    )

    api_id: str
    api_tag: bytes
    stage: str
    stage_variables: Mapping[str, str]
    limits: StageLimits
    select: Callable[[Invocation], str]
    routes: Mapping[str, LiveRoute]
    default: LiveRoute | None
    connect: LiveRoute | None
    disconnect: LiveRoute | None
    unmatched: RouteMetrics
    management: RouteMetrics
    log_line: Callable[[Invocation], str] | None
    allowed_origins: frozenset[str] | None
    subprotocols: tuple[str, ...] | None
    new_connections: ThrottleSettings | None
    #: The largest text that may come in one frame.
    text_bytes: int
    concurrency: int
    binary_pass: bool
    heartbeat: float
    compression: bool

    def route_of(self, message: Invocation) -> LiveRoute:
        """The route that a message takes. Raises AccessDenied where none matches and there is no `$default`.

        Source: developer guide, "Route selection expressions"; the answer `Forbidden` is the service's.
        """
        route = self.routes.get(self.select(message), self.default)
        if route is None:
            raise AccessDenied(detail="no route matches and there is no $default")
        return route


class StageSlot:
    """Where the LiveStage in force stands. Connections hold the slot, so that a deployment reaches them at once.

    `live` is None once the stage is gone. `connections` counts those that are open, for the gauge.
    """

    __slots__ = ("__weakref__", "connections", "live")

    def __init__(self, live: LiveStage | None) -> None:
        self.live = live
        self.connections = 0
