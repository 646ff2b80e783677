"""What is ready to serve: LiveRoute, the LiveStages of all protocols, and the slots that they stand in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from wsgw.definitions.access import ThrottleSettings, TokenPlaces
from wsgw.definitions.api import StageLimits
from wsgw.errors import AccessDenied, GatewayError
from wsgw.integrations.drive import apart
from wsgw.invocation import HttpInvocation, Invocation, Reply
from wsgw.observe.metrics import RouteMetrics
from wsgw.pipeline.run import Step, run

if TYPE_CHECKING:
    from wsgw.authorizers.facts import VpcSource
    from wsgw.firewall.compile import Firewall
    from wsgw.live.guard_tokens import Reauthorization
    from wsgw.live.path_table import PathTable


class LiveRoute:
    """A route bound to its steps. `two_way`: the last step's reply goes back to the client.

    needs_task: a step asks for the current task, as libraries and Python handlers may; see integrations/drive.py.
    Of HTTP and REST APIs: `path` is the key's, `resource_id` and `operation_name` a REST API's; `streams`: no step
    needs the request's body whole, so that a large one may be given as `HttpInvocation.stream`; `unbounded`: answers
    that are passed on as they come may be of any size; `two_way` is of no meaning.
    """

    __slots__ = (
        "key",
        "metrics",
        "needs_task",
        "operation_name",
        "path",
        "resource_id",
        "steps",
        "streams",
        "two_way",
        "unbounded",
    )

    def __init__(
        self,
        key: str,
        steps: Sequence[Step],
        metrics: RouteMetrics,
        *,
        two_way: bool = False,
        needs_task: bool = False,
        streams: bool = False,
        resource_id: str = "",
        operation_name: str = "",
        unbounded: bool = False,
    ) -> None:
        self.key = key
        self.path = key.partition(" ")[2] or key
        self.resource_id = resource_id
        self.operation_name = operation_name
        self.streams = streams
        self.unbounded = unbounded
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
    """One stage of one API, ready to serve and never changed. `log_line` formats an access log line, or is None.

    `unmatched` counts what finds no route. `account_id` is the one in ARNs, `deployment_id` changes with what is
    deployed (REST). `firewall` is the stage's web ACL, ready: called with each request and handshake before a route is
    looked for, it raises WafFiltered; None where there is none. `vpc_source` tells by which endpoint and from which VPC
    an address comes; None where no setting says so.
    """

    __slots__ = (
        "account_id",
        "api_id",
        "api_tag",
        "deployment_id",
        "firewall",
        "limits",
        "log_line",
        "stage",
        "stage_variables",
        "unmatched",
        "vpc_source",
    )

    account_id: str
    deployment_id: str
    api_id: str
    api_tag: bytes
    stage: str
    stage_variables: Mapping[str, str]
    limits: StageLimits
    unmatched: RouteMetrics
    log_line: Callable[[Invocation], str] | None
    firewall: Firewall | None
    vpc_source: Callable[[str], VpcSource | None] | None


class LiveSocketStage(LiveStage):
    """A stage of a WebSocket API.

    `routes` has the routes that a message can select; `$connect`, `$disconnect` and `$default` stand apart, so that no
    message can name them. `tokens`: where handshakes may carry theirs, None for nowhere else than in a header;
    `ticket_wanted`: there is no authorizer for who shows no ticket. `token_expiry` as the Stage says;
    `reauthorization`: how a token that takes another's place is looked at, None where none is asked for.
    """

    __slots__ = (
        "allowed_origins",
        "binary_pass",
        "compression",
        "concurrency",
        "connect",
        "default",
        "disconnect",
        "heartbeat",
        "management",
        "new_connections",
        "reauthorization",
        "routes",
        "select",
        "subprotocols",
        "text_bytes",
        "ticket_wanted",
        "token_expiry",
        "tokens",
    )

    select: Callable[[Invocation], str]
    routes: Mapping[str, LiveRoute]
    default: LiveRoute | None
    connect: LiveRoute | None
    disconnect: LiveRoute | None
    management: RouteMetrics
    allowed_origins: frozenset[str] | None
    subprotocols: tuple[str, ...] | None
    new_connections: ThrottleSettings | None
    #: The largest text that may come in one frame.
    text_bytes: int
    concurrency: int
    binary_pass: bool
    heartbeat: float
    compression: bool
    tokens: TokenPlaces | None
    ticket_wanted: bool
    token_expiry: str
    reauthorization: Reauthorization | None

    def route_of(self, message: Invocation) -> LiveRoute:
        """The route that a message takes. Raises AccessDenied where none matches and there is no `$default`.

        Source: developer guide, "Route selection expressions"; the answer `Forbidden` is the service's.
        """
        route = self.routes.get(self.select(message), self.default)
        if route is None:
            raise AccessDenied(detail="no route matches and there is no $default")
        return route


class LiveHttpStage(LiveStage):
    """A stage of an HTTP or REST API.

    `paths` finds a request's route, `default` is an HTTP API's `$default`, `not_found` what a request ends in
    for which there is neither. `preflight` answers a CORS preflight, or gives None for a request that is none; it is
    None where CORS is not configured. `refuse` words a GatewayError as this API does. `ids` gives the header lines that
    every answer of the API has. `settle` is the last to see a reply, refusals included: it adds CORS headers,
    compresses; None where nothing is to be done. `is_rest`: by the rules of REST APIs.
    """

    __slots__ = ("default", "ids", "is_rest", "not_found", "paths", "preflight", "refuse", "settle")

    is_rest: bool
    paths: PathTable
    default: LiveRoute | None
    not_found: Callable[[HttpInvocation], GatewayError]
    preflight: Callable[[HttpInvocation], Reply | None] | None
    refuse: Callable[[GatewayError, HttpInvocation], Reply]
    ids: Callable[[HttpInvocation], str]
    settle: Callable[[Reply, HttpInvocation], Reply] | None


S = TypeVar("S", bound=LiveStage)


class StageSlot(Generic[S]):
    """Where the LiveStage in force stands. Connections hold the slot, so that a deployment reaches them at once.

    `live` is None once the stage is gone. `connections` counts those that are open, for the gauge.
    """

    __slots__ = ("__weakref__", "connections", "live")

    def __init__(self, live: S | None) -> None:
        self.live = live
        self.connections = 0
