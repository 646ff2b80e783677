"""The spine: what enters at the edge (Invocation), what a route calls (IntegrationRequest), what leaves (Reply).

An Invocation is made by the edge and walked through its route's steps; each step fills the field that is its own. The
objects are plain and slotted: one of each is made per message.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import parse_qsl

from wsgw.caller import Authorization, Caller, ConnectionFacts
from wsgw.header_fields import HeaderFields

if TYPE_CHECKING:
    from wsgw.errors import GatewayError

EventType = Literal["CONNECT", "MESSAGE", "DISCONNECT", "CONNECTION_API", "REQUEST"]
Headers = Sequence[tuple[str, str]]

#: Nothing that JSON has: the body was not parsed yet, or is no JSON.
UNPARSED: Any = type("Unparsed", (), {"__repr__": lambda _self: "UNPARSED"})()
NOT_JSON: Any = type("NotJson", (), {"__repr__": lambda _self: "NOT_JSON"})()


class Received(Protocol):
    """A request as it came, before anything was added or left out: what its sender has signed. `target` is raw."""

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def body(self) -> bytes: ...


class Site(Protocol):
    """Where an invocation takes place: the part of a LiveStage that steps, mappings and logs read."""

    @property
    def api_id(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def account_id(self) -> str: ...
    @property
    def deployment_id(self) -> str: ...
    @property
    def stage_variables(self) -> Mapping[str, str]: ...
    @property
    def log_line(self) -> Callable[[Invocation], str] | None: ...


class Stream(Protocol):
    """A body that is still coming: pieces in order, as they arrive, at the pace at which they are taken.

    Iterated once. The iterator raises a GatewayError where the body breaks off. Whoever does not take all of it calls
    `cancel`, which may be called any number of times.
    """

    #: The body's size in bytes, where it was announced.
    length: int | None

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def cancel(self) -> None: ...


class Reply:
    """An answer: a status, a body, and headers in order, repeats included.

    `stream`, where there is one, is the rest of the body behind `body`. Only the edge takes it: a step that needs the
    body whole must be declared as such when its route is compiled.
    """

    __slots__ = ("body", "headers", "status", "stream")

    def __init__(self, status: int, body: bytes = b"", headers: Headers = (), stream: Stream | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.stream = stream

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


class FunctionReply(Reply):
    """What Lambda's own API answered, called by an AWS integration (not a proxy integration).

    `error_message` is the errorMessage of a function that failed, "" where it gave none; None for one that succeeded.
    Integration responses are chosen by it, and the default one where it is None.
    """

    __slots__ = ("error_message",)

    def __init__(self, status: int, body: bytes, headers: Headers, error_message: str | None) -> None:
        super().__init__(status, body, headers)
        self.error_message = error_message


class IntegrationRequest:
    """What an integration sends. `timeout` in seconds counts from the call to the whole answer.

    url: absolute for HTTP; a function's name or ARN for Lambda. `event` is the Lambda proxy event where a function is
    called: Lambda gets it as JSON, a Python handler as it is. `lines`: header lines that are known to be sound, each
    with its CRLF, sent before `headers`. `stream`: the body's rest behind `body`. `streams`: an answer whose body is
    not there at once may be given as one that is still coming. `target`: what a step has for its invoker alone: an
    address made at deployment, in place of `url`; the call of an AWS action; by what a function's answer is read.
    """

    __slots__ = ("body", "event", "headers", "lines", "method", "stream", "streams", "target", "timeout", "url")

    def __init__(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes,
        timeout: float,
        event: dict[str, Any] | None = None,
        lines: bytes = b"",
        stream: Stream | None = None,
        streams: bool = False,
        target: Any = None,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.event = event
        self.lines = lines
        self.stream = stream
        self.streams = streams
        self.target = target


class Invocation:
    """One CONNECT, MESSAGE or DISCONNECT, or as HttpInvocation one request, on its way.

    Filled in by the edge: `site`, `event_type`, `connection`, which is the `caller`, too, `request_id`, `request_time`
    (epoch ms), `route_key`, `body` (the message's bytes; b"" otherwise), `is_binary`, `headers` and `query` (CONNECT
    only, in order, repeats included, names as received), `message_id`, `disconnect_code`, `disconnect_reason`,
    `received` (the request itself; None for what is none, as a message).
    By the steps: `document` (the body as JSON, parsed at most once), `request`, `reply`.
    For logs: `status`, `error`, `integration_status` (what the backend or function said), `integration_latency` (ms),
    `authorization`, `waf_action` (ALLOW, BLOCK or COUNT, "" without a web ACL).
    """

    __slots__ = (
        "authorization",
        "body",
        "caller",
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
        "received",
        "reply",
        "request",
        "request_id",
        "request_time",
        "route_key",
        "site",
        "status",
        "waf_action",
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
        self.caller: Caller = connection
        self.request_id = request_id
        self.request_time = request_time
        self.body = body
        self.is_binary = False
        self.headers: Headers = ()
        self.query: Headers = ()
        self.message_id = ""
        self.disconnect_code = 0
        self.disconnect_reason = ""
        self.received: Received | None = None
        self.document: Any = UNPARSED
        self.request: IntegrationRequest | None = None
        self.reply: Reply | None = None
        self.status = 200
        self.error: GatewayError | None = None
        self.authorization: Authorization | None = None
        self.waf_action = ""
        self.integration_status = 0
        self.integration_latency = 0


class HttpInvocation(Invocation):
    """One request to an HTTP or REST API on its way. It is of no connection; `caller` says who sent it.

    Filled in by the edge, beside what Invocation has: `method`; `is_head`, whether the client sent a HEAD, whatever
    `method` it overrides it with, and takes no body; `path`, as it was asked for, with the stage or base path
    (`$context.path`); `rest`, the path without them, which begins with a slash: matching, events and backends use this
    one; `raw_query` without its `?`; `path_parameters` by name, raw; `protocol` (`HTTP/1.1`); `resource_path`,
    `resource_id` and `operation_name` of the route; `response_latency` in ms; `domain_prefix`; `extended_request_id`;
    `base_path`, the one of a domain name that matched; `stream`, the rest of a body that is not whole yet, where the
    route takes it so; `fields`, the header lines that are the client's to say; what the gateway adds, `forwarded`
    (X-Forwarded-For, -Port, -Proto) and `trace` (X-Amzn-Trace-Id).
    By the steps: `context`, what templates see as `$context` and write their overrides into, kept from the first
    template to the last; `response_headers`, what the gateway adds to whatever is answered (CORS).
    """

    __slots__ = (
        "_headers",
        "_query",
        "base_path",
        "context",
        "domain_prefix",
        "extended_request_id",
        "fields",
        "forwarded",
        "is_head",
        "method",
        "operation_name",
        "path",
        "path_parameters",
        "protocol",
        "raw_query",
        "resource_id",
        "resource_path",
        "response_headers",
        "response_latency",
        "rest",
        "stream",
        "trace",
    )

    def __init__(
        self,
        site: Site,
        caller: Caller,
        request_id: str,
        request_time: int,
        method: str,
        path: str,
        rest: str,
        raw_query: str,
        fields: HeaderFields,
        body: bytes = b"",
    ) -> None:
        self.site = site
        self.event_type = "REQUEST"
        self.route_key = ""
        self.caller = caller
        self.request_id = request_id
        self.request_time = request_time
        self.body = body
        self.is_binary = False
        self.received = None
        self.document = UNPARSED
        self.request = None
        self.reply = None
        self.status = 200
        self.error = None
        self.authorization = None
        self.waf_action = ""
        self.integration_status = 0
        self.integration_latency = 0
        self.method = method
        self.is_head = method == "HEAD"
        self.path = path
        self.rest = rest
        self.raw_query = raw_query
        self.fields = fields
        self.forwarded: Headers = ()
        self.trace = ""
        self.path_parameters: Mapping[str, str] = {}
        self.protocol = "HTTP/1.1"
        self.resource_path = ""
        self.resource_id = ""
        self.operation_name = ""
        self.response_latency = 0
        self.domain_prefix = ""
        self.extended_request_id = ""
        self.base_path = ""
        self.stream: Stream | None = None
        self.context: dict[str, Any] | None = None
        self.response_headers: Headers = ()
        self._query: Headers | None = None
        self._headers: Headers | None = None

    @property
    def query(self) -> Headers:  # type: ignore[override]
        """The query's names and values, form-decoded, in order; `;` separates as `&` does. Decoded when asked for."""
        if self._query is None:
            raw = self.raw_query.replace(";", "&")
            self._query = parse_qsl(raw, keep_blank_values=True) if raw else ()
        return self._query

    @property
    def headers(self) -> Headers:  # type: ignore[override]
        """The client's headers and what the gateway adds, as events, templates and mappings see them."""
        if self._headers is None:
            self._headers = [*self.fields.lines, *self.forwarded, ("X-Amzn-Trace-Id", self.trace)]
        return self._headers
