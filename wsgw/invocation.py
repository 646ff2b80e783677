"""The spine: what enters at the edge (Invocation), what a route calls (IntegrationRequest), what leaves (Reply).

An Invocation is made by the edge and walked through its route's steps; each step fills the field that is its own. The
objects are plain and slotted: one of each is made per message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from wsgw.errors import GatewayError

EventType = Literal["CONNECT", "MESSAGE", "DISCONNECT", "CONNECTION_API"]
Headers = Sequence[tuple[str, str]]

#: Nothing that JSON has: the body was not parsed yet, or is no JSON.
UNPARSED: Any = type("Unparsed", (), {"__repr__": lambda _self: "UNPARSED"})()
NOT_JSON: Any = type("NotJson", (), {"__repr__": lambda _self: "NOT_JSON"})()


class Principal:
    """Who an authorizer says is calling. `context` is as events show it: every value a string."""

    __slots__ = ("context", "id", "identity")

    def __init__(self, id: str, context: Mapping[str, str], identity: Mapping[str, str] | None = None) -> None:
        self.id = id
        self.context = context
        self.identity = identity or {}


class ConnectionFacts:
    """What stays true of a connection all its life, and what every event of it says. The edge's Connection is one.

    connected_at: epoch milliseconds; `domain_name`: a configured name, never what an unknown Host header says;
    `callback_base`: scheme, host and port at which backends reach this gateway, configured likewise.
    """

    __slots__ = ("callback_base", "connected_at", "domain_name", "id", "principal", "source_ip", "user_agent")

    id: str
    connected_at: int
    source_ip: str
    user_agent: str | None
    domain_name: str
    callback_base: str
    principal: Principal | None


class Site(Protocol):
    """Where an invocation takes place: the part of a LiveStage that steps, mappings and logs read."""

    @property
    def api_id(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def stage_variables(self) -> Mapping[str, str]: ...
    @property
    def log_line(self) -> Callable[[Invocation], str] | None: ...


class Reply:
    """An answer: a status, a body, and headers in order, repeats included."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    def header(self, name: str) -> str | None:
        """The last value of the header `name`, whatever its case; None if it is not there."""
        wanted = name.lower()
        value = None
        for key, text in self.headers:
            if key.lower() == wanted:
                value = text
        return value

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


class IntegrationRequest:
    """What an integration sends. `timeout` in seconds counts from the call to the whole answer.

    url: absolute for HTTP; a function's name or ARN for Lambda. `event` is the Lambda proxy event where a function is
    called: Lambda gets it as JSON, a Python handler as it is. `lines`: header lines that are known to be sound, each
    with its CRLF, sent before `headers`.
    """

    __slots__ = ("body", "event", "headers", "lines", "method", "timeout", "url")

    def __init__(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes,
        timeout: float,
        event: dict[str, Any] | None = None,
        lines: bytes = b"",
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.event = event
        self.lines = lines


class Invocation:
    """One CONNECT, MESSAGE or DISCONNECT on its way.

    Filled in by the edge: `site`, `event_type`, `connection`, `request_id`, `request_time` (epoch ms), `route_key`,
    `body` (the message's bytes; b"" otherwise), `is_binary`, `headers` and `query` (CONNECT only, in order, repeats
    included, names as received), `message_id`, `disconnect_code`, `disconnect_reason`.
    By the steps: `document` (the body as JSON, parsed at most once), `request`, `reply`.
    For logs: `status`, `error`, `integration_status` (what the backend or function said), `integration_latency` (ms).
    """

    __slots__ = (
        "body",
        "connection",
        "disconnect_code",
        "disconnect_reason",
        "document",
        "error",
        "event_type",
        "headers",
        "integration_latency",
        "integration_status",
        "is_binary",
        "message_id",
        "query",
        "reply",
        "request",
        "request_id",
        "request_time",
        "route_key",
        "site",
        "status",
    )

    def __init__(
        self,
        site: Site,
        event_type: EventType,
        route_key: str,
        connection: ConnectionFacts,
        request_id: str,
        request_time: int,
        body: bytes = b"",
    ) -> None:
        self.site = site
        self.event_type: EventType = event_type
        self.route_key = route_key
        self.connection = connection
        self.request_id = request_id
        self.request_time = request_time
        self.body = body
        self.is_binary = False
        self.headers: Headers = ()
        self.query: Headers = ()
        self.message_id = ""
        self.disconnect_code = 0
        self.disconnect_reason = ""
        self.document: Any = UNPARSED
        self.request: IntegrationRequest | None = None
        self.reply: Reply | None = None
        self.status = 200
        self.error: GatewayError | None = None
        self.integration_status = 0
        self.integration_latency = 0
