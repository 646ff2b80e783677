"""What happens with a request to an HTTP or REST API: from the stage to the route, through its steps, to the answer."""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

from wsgw import ids
from wsgw.edge import arrival
from wsgw.edge.answers import Answers, last_resort
from wsgw.edge.canonical_path import canonical
from wsgw.edge.http import Door, Request
from wsgw.edge.node import Node
from wsgw.errors import BadRequest, GatewayError, RequestTooLarge, ServiceUnavailable
from wsgw.invocation import HttpInvocation, Reply
from wsgw.live.path_table import NOT_FORWARDED, Match
from wsgw.live.route_table import LiveHttpStage, LiveRoute
from wsgw.live.stages import Place
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
    """Requests to the HTTP and REST APIs of one node. `answers` writes what they are answered."""

    def __init__(self, node: Node, answers: Answers) -> None:
        self._node = node
        self._settings = node.settings
        self.answers = answers

    def handle(self, request: Request, place: Place[LiveHttpStage], door: Door) -> None:
        """Answer `request` through `door`, now or when its route has."""
        live = place.live
        invocation = self._invocation(request, place)
        try:
            self._begin(invocation, live, door)
        except Exception as raised:
            last_resort(raised, invocation, door)

    def _begin(self, invocation: HttpInvocation, live: LiveHttpStage, door: Door) -> None:
        if self._node.finishing:
            self.answers.refuse(
                invocation, live, live.unmatched, ServiceUnavailable(detail="stopping"), door, keep=False
            )
            return
        limit = live.limits.payload_bytes
        if limit and len(invocation.body) > limit:
            self.answers.refuse(invocation, live, live.unmatched, RequestTooLarge(), door)
            return
        try:
            self._settle_path(invocation, live)
        except BadRequest as error:
            self.answers.refuse(invocation, live, live.unmatched, error, door)
            return
        if live.firewall is not None:
            try:
                live.firewall(invocation)
            except GatewayError as error:
                self.answers.refuse(invocation, live, live.unmatched, error, door)
                return
        if live.preflight is not None:
            reply = live.preflight(invocation)
            if reply is not None:
                self.answers.answer(invocation, live, live.unmatched, reply, door)
                return
        match = live.paths.find(invocation.method, invocation.rest)
        if match is not None:
            route, invocation.path_parameters = match
        elif live.default is not None and invocation.method not in NOT_FORWARDED:
            route = live.default
        else:
            # Paths may hold what is not for logs: only who looks for it gets to see this one.
            log.debug("no route: api=%s method=%s path=%s", live.api_id, invocation.method, invocation.rest)
            self.answers.refuse(invocation, live, live.unmatched, live.not_found(invocation), door)
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
        self.answers.refuse(self._invocation(request, place), live, live.unmatched, RequestTooLarge(), door, keep=False)

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
        invocation.received = request
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
                    await self.answers.stream(invocation, live, route, reply, door)
                    return
                if len(reply.body) > live.limits.payload_bytes > 0 and not route.unbounded:
                    raise GatewayError(detail="response_too_large")
            except Exception as raised:
                if invocation.reply is not None and invocation.reply.stream is not None:
                    # A step behind the call has failed, or what settles the answer: nobody takes the body now.
                    invocation.reply.stream.cancel()
                error = raised if isinstance(raised, GatewayError) else _bug(raised, invocation)
                self.answers.refuse(invocation, live, route.metrics, error, door)
            else:
                self.answers.answer(invocation, live, route.metrics, reply, door)
        except Exception as raised:
            last_resort(raised, invocation, door)


def _rest_of(place: Place[LiveHttpStage]) -> str:
    """The path behind the stage. REST APIs take more than one slash there. Recorded on the service."""
    rest = place.rest
    return "/" + (rest.lstrip("/") if rest[:1] == "/" and place.live.is_rest else rest)


def _bug(raised: Exception, invocation: HttpInvocation) -> GatewayError:
    """What a client is told of an error that is ours. `run` catches those of steps; this is for what is around them."""
    log.error("a request failed: request=%s", invocation.request_id, exc_info=raised)
    return GatewayError(detail=f"unexpected {type(raised).__name__}")
