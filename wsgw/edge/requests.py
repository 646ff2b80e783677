"""What happens with a request to an HTTP or REST API: from the stage to the route, through its steps, to the answer."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import NamedTuple

from wsgw import ids
from wsgw.edge import arrival
from wsgw.edge.canonical_path import canonical
from wsgw.edge.http import BODILESS, Door, Request, error_reply, reply_bytes, reply_head
from wsgw.edge.node import Node
from wsgw.edge.outlet import pour
from wsgw.errors import BadRequest, BadRequestBody, GatewayError, RequestTooLarge, ServiceUnavailable
from wsgw.integrations.drive import current
from wsgw.integrations.http_pool import Target
from wsgw.invocation import HttpInvocation, Reply
from wsgw.live.path_table import NOT_FORWARDED, Match
from wsgw.live.route_table import LiveHttpStage, LiveRoute
from wsgw.live.stages import Place
from wsgw.observe.logs import AccessLog, Reasons
from wsgw.observe.metrics import RouteMetrics
from wsgw.pipeline.run import run

log = logging.getLogger("wsgw.requests")

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: What API Gateway says in place of an id that a client has chosen and that is none.
_NO_UUID = "UUID_REPLACED_INVALID_REQUEST_ID"
_TOKEN = re.compile(r"[A-Z]{1,32}")
#: Characters that no URL has as they are (RFC 3986 §2) and that others on the way read in different ways.
_NOT_IN_TARGETS = ("|", "#")


class _Said(NamedTuple):
    """What header lines say of a request as a whole; None where they do not."""

    trace: str | None
    request_id: str | None
    method: str | None


def _said(request: Request) -> _Said:
    chosen, method = request.header("x-amzn-requestid"), request.header("x-http-method-override")
    said = _Said(
        request.header("x-amzn-trace-id"),
        chosen if chosen is None or _UUID.fullmatch(chosen) else _NO_UUID,
        method if method is not None and _TOKEN.fullmatch(method) else None,
    )
    request.fields.made["said to REST and HTTP APIs"] = said
    return said


class Requests:
    """Requests to the HTTP and REST APIs of one node."""

    def __init__(self, node: Node, access_log: AccessLog, reasons: Reasons) -> None:
        self._node = node
        self._settings = node.settings
        self._access_log = access_log
        self._reasons = reasons

    def say_nowhere(self) -> None:
        """Log that an address leads to no stage: its sender learns no more than Forbidden or Not Found."""
        self._reasons.say("no_stage_at_this_address: the log of the start says where each stage answers")

    def handle(self, request: Request, place: Place[LiveHttpStage], door: Door) -> None:
        """Answer `request` through `door`, now or when its route has."""
        live = place.live
        invocation = self._invocation(request, place)
        try:
            self._begin(invocation, live, door)
        except Exception as raised:
            _last_resort(raised, invocation, door)

    def _begin(self, invocation: HttpInvocation, live: LiveHttpStage, door: Door) -> None:
        if self._node.finishing:
            self._refuse(invocation, live, live.unmatched, ServiceUnavailable(detail="stopping"), door, keep=False)
            return
        limit = live.limits.payload_bytes
        if limit and len(invocation.body) > limit:
            self._refuse(invocation, live, live.unmatched, RequestTooLarge(), door)
            return
        try:
            self._settle_path(invocation, live)
        except BadRequest as error:
            self._refuse(invocation, live, live.unmatched, error, door)
            return
        if live.preflight is not None:
            reply = live.preflight(invocation)
            if reply is not None:
                self._answer(invocation, live, live.unmatched, reply, door)
                return
        match = live.paths.find(invocation.method, invocation.rest)
        if match is not None:
            route, invocation.path_parameters = match
        elif live.default is not None and invocation.method not in NOT_FORWARDED:
            route = live.default
        else:
            self._refuse(invocation, live, live.unmatched, live.not_found(invocation), door)
            return
        invocation.route_key = route.key
        invocation.resource_path = route.path
        invocation.resource_id = route.resource_id
        invocation.operation_name = route.operation_name
        self._node.start(self._run(invocation, live, route, door))

    def streams(self, request: Request, place: Place[LiveHttpStage]) -> bool:
        """Whether the route of `request`, of which only the head is there, takes a body that is still coming."""
        live = place.live
        try:
            path = _rest_of(place)
            method = (_said(request).method if live.is_rest else None) or request.method
            match: Match | None = live.paths.find(method, canonical(path))
        except BadRequest:
            return False
        route = match.route if match is not None else live.default
        return route is not None and route.streams

    def refuse_large(self, request: Request, place: Place[LiveHttpStage], door: Door) -> None:
        """Answer 413 to `request`, whose body nobody has read: the connection ends."""
        live = place.live
        self._refuse(self._invocation(request, place), live, live.unmatched, RequestTooLarge(), door, keep=False)

    def _invocation(self, request: Request, place: Place[LiveHttpStage]) -> HttpInvocation:
        live = place.live
        introduced = arrival.introduced(request, place, self._settings)
        said = request.fields.made.get("said to REST and HTTP APIs") or _said(request)
        invocation = HttpInvocation(
            live,
            introduced.caller(request.certificate),
            "",
            self._node.wall_ms(),
            request.method,
            f"{place.prefix}/{place.rest}",
            _rest_of(place),
            request.target.partition("?")[2],
            introduced.fields or request.fields,
            request.body,
        )
        invocation.stream = request.stream
        invocation.base_path = place.base_path
        invocation.forwarded = introduced.forwarded
        invocation.trace = arrival.trace_of(said.trace, invocation.request_time)
        invocation.domain_prefix = introduced.domain_prefix
        if request.version != (1, 1):
            invocation.protocol = f"HTTP/{request.version[0]}.{request.version[1]}"
        invocation.extended_request_id = ids.request_id()
        if not live.is_rest:
            invocation.request_id = invocation.extended_request_id
            return invocation
        invocation.request_id = said.request_id or ids.uuid()
        if said.method is not None:
            # Here, once: whatever looks at the method from now on sees this one.
            invocation.method = said.method
        return invocation

    @staticmethod
    def _settle_path(invocation: HttpInvocation, live: LiveHttpStage) -> None:
        """Bring the path to its one form. Raises BadRequest."""
        for character in _NOT_IN_TARGETS:
            if character in invocation.rest or character in invocation.raw_query:
                raise BadRequest(detail="character_not_allowed_in_target")
        form = canonical(invocation.rest)
        if form != invocation.rest:
            invocation.rest = form
            # A stage or base path needs no encoding, so it stays as it is.
            invocation.path = canonical(invocation.path)

    async def _run(self, invocation: HttpInvocation, live: LiveHttpStage, route: LiveRoute, door: Door) -> None:
        try:
            try:
                # A coroutine less than `route.run` on the way back from a backend, for routes that need no task.
                await (route.run(invocation) if route.needs_task else run(route.steps, invocation))
                reply = invocation.reply
                if reply is None:
                    reply = Reply(200)
                if reply.stream is not None:
                    await self._stream(invocation, live, route, reply, door)
                    return
                if len(reply.body) > live.limits.payload_bytes > 0 and not route.unbounded:
                    raise GatewayError(detail="response_too_large")
            except Exception as raised:
                if invocation.reply is not None and invocation.reply.stream is not None:
                    # A step behind the call has failed, or what settles the answer: nobody takes the body now.
                    invocation.reply.stream.cancel()
                error = raised if isinstance(raised, GatewayError) else _bug(raised, invocation)
                self._refuse(invocation, live, route.metrics, error, door)
            else:
                self._answer(invocation, live, route.metrics, reply, door)
        except Exception as raised:
            _last_resort(raised, invocation, door)

    # ---- the answer

    def _refuse(
        self,
        invocation: HttpInvocation,
        live: LiveHttpStage,
        metrics: RouteMetrics,
        error: GatewayError,
        door: Door,
        *,
        keep: bool = True,
    ) -> None:
        self._say(error, invocation, live)
        self._answer(invocation, live, metrics, live.refuse(error, invocation), door, keep=keep)

    def _say(self, error: GatewayError, invocation: HttpInvocation, live: LiveHttpStage) -> None:
        invocation.error = error
        target = None if invocation.request is None else invocation.request.target
        # What is wrong with a body may name members that its sender made up: that is for the access log alone.
        why = error.message if isinstance(error, BadRequestBody) else error.detail or error.message
        self._reasons.say(
            f"{error.response_type}: {why}",
            api=live.api_id,
            stage=live.stage,
            route=invocation.route_key,
            request=invocation.request_id,
            backend=target.authority if isinstance(target, Target) else "",
        )

    def _answer(
        self,
        invocation: HttpInvocation,
        live: LiveHttpStage,
        metrics: RouteMetrics,
        reply: Reply,
        door: Door,
        *,
        keep: bool = True,
    ) -> None:
        if live.settle is not None:
            reply = live.settle(reply, invocation)
        invocation.status = reply.status
        # The backend's own, in answer to a HEAD: how long the body would be, which only it knows.
        length = reply.header("content-length") if invocation.is_head else None
        named = live.ids(invocation)
        if length is not None and length.isascii() and length.isdigit() and reply.status not in BODILESS:
            door.answer(reply_head(reply, f"Content-Length: {length}\r\n", keep=keep, ids=named), keep=keep)
        elif invocation.is_head and not reply.body:
            # Nobody has said how long the body would be, and 0 would say that there is none (RFC 9110 §8.6).
            door.answer(reply_head(reply, "", keep=keep, ids=named), keep=keep)
        else:
            door.answer(reply_bytes(reply, keep=keep, body=not invocation.is_head, ids=named), keep=keep)
        self._count(invocation, live, reply, metrics)

    async def _stream(
        self, invocation: HttpInvocation, live: LiveHttpStage, route: LiveRoute, reply: Reply, door: Door
    ) -> None:
        """Answer with a body that is still coming. Raises GatewayError while nothing was sent."""
        stream = reply.stream
        assert stream is not None
        most = 0 if route.unbounded else live.limits.payload_bytes
        if most and (stream.length or 0) > most:
            stream.cancel()
            raise GatewayError(detail="response_too_large")
        if live.settle is not None:
            reply = live.settle(reply, invocation)
            stream = reply.stream
            assert stream is not None
        invocation.status = reply.status
        named = live.ids(invocation)
        size = stream.length
        chunked = size is None and invocation.protocol != "HTTP/1.0"
        #: Of an HTTP/1.0 client's answer without a length, the end of the connection is the end.
        keep = chunked or size is not None
        framing = "Transfer-Encoding: chunked\r\n" if chunked else ""
        if size is not None:
            framing = f"Content-Length: {size}\r\n"
        if reply.status in BODILESS or invocation.is_head:
            stream.cancel()
            head = reply_head(reply, "" if reply.status in BODILESS else framing, keep=keep, ids=named)
            door.answer(head, keep=keep)
        else:
            outlet = door.begin(reply_head(reply, framing, keep=keep, ids=named), keep=keep)
            if outlet is None:
                stream.cancel()
            else:
                task = current() or asyncio.current_task()
                outlet.gone = task.cancel if task is not None else None
                try:
                    await pour(reply, outlet, chunked=chunked, most=most)
                except GatewayError as error:
                    self._say(error, invocation, live)
                except (OSError, asyncio.CancelledError):
                    log.debug("an answer was broken off: request=%s", invocation.request_id)
        self._count(invocation, live, reply, route.metrics)

    def _count(self, invocation: HttpInvocation, live: LiveHttpStage, reply: Reply, metrics: RouteMetrics) -> None:
        metrics.messages += 1
        if reply.status >= 500:
            metrics.execution_errors += 1
        elif reply.status >= 400:
            metrics.client_errors += 1
        if invocation.request is not None:
            metrics.observe_latency(invocation.integration_latency)
        if live.log_line is not None:
            invocation.reply = reply
            try:
                self._access_log.add(live.log_line, invocation)
            except Exception:
                # The answer is out: whoever tries to word another one would write it behind this one.
                log.exception("a line of the access log could not be made: request=%s", invocation.request_id)


def _rest_of(place: Place[LiveHttpStage]) -> str:
    """The path behind the stage. REST APIs take more than one slash there. Recorded on the service."""
    rest = place.rest
    return "/" + (rest.lstrip("/") if rest[:1] == "/" and place.live.is_rest else rest)


def _last_resort(raised: Exception, invocation: HttpInvocation, door: Door) -> None:
    """Answer, although wording the answer has failed: nobody may wait for one that never comes."""
    log.error("an answer could not be made: request=%s", invocation.request_id, exc_info=raised)
    door.answer(reply_bytes(error_reply(GatewayError()), keep=False, body=not invocation.is_head), keep=False)


def _bug(raised: Exception, invocation: HttpInvocation) -> GatewayError:
    """What a client is told of an error that is ours. `run` catches those of steps; this is for what is around them."""
    log.error("a request failed: request=%s", invocation.request_id, exc_info=raised)
    return GatewayError(detail=f"unexpected {type(raised).__name__}")
