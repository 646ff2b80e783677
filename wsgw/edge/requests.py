"""What happens with a request to an HTTP or REST API: from the stage to the route, through its steps, to the answer."""

from __future__ import annotations

import logging
import re

from wsgw import ids
from wsgw.edge import arrival
from wsgw.edge.canonical_path import canonical
from wsgw.edge.http import Door, Request, reply_bytes
from wsgw.edge.node import Node
from wsgw.errors import BadRequest, GatewayError
from wsgw.invocation import HttpInvocation, Reply
from wsgw.live.route_table import LiveHttpStage, LiveRoute
from wsgw.live.stages import UNNAMED_STAGE, Place
from wsgw.observe.logs import AccessLog, Reasons
from wsgw.observe.metrics import RouteMetrics

log = logging.getLogger("wsgw.requests")

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class Requests:
    """Requests to the HTTP and REST APIs of one node."""

    def __init__(self, node: Node, access_log: AccessLog, reasons: Reasons) -> None:
        self._node = node
        self._settings = node.settings
        self._access_log = access_log
        self._reasons = reasons

    def handle(self, request: Request, place: Place[LiveHttpStage], door: Door) -> None:
        """Answer `request` through `door`, now or when its route has."""
        live = place.live
        query = request.target.partition("?")[2]
        path = place.rest if live.stage == UNNAMED_STAGE else f"{live.stage}/{place.rest}"
        invocation = HttpInvocation(
            live,
            arrival.caller(request, place, self._settings),
            ids.uuid() if live.is_rest else ids.request_id(),
            self._node.wall_ms(),
            request.method,
            "/" + path,
            "/" + place.rest,
            query,
            arrival.client_fields(request, self._settings),
            request.body,
        )
        self._introduce(invocation, request, live)
        try:
            invocation.rest = canonical("/" + place.rest.lstrip("/") if live.is_rest else "/" + place.rest)
        except BadRequest as error:
            self._refuse(invocation, live, live.unmatched, error, door)
            return
        if live.preflight is not None:
            reply = live.preflight(invocation)
            if reply is not None:
                self._answer(invocation, live, live.unmatched, reply, door)
                return
        match = live.paths.find(invocation.method, invocation.rest)
        route = live.default
        if match is not None:
            route, invocation.path_parameters = match
        if route is None:
            self._refuse(invocation, live, live.unmatched, live.not_found(), door)
            return
        invocation.route_key = route.key
        invocation.resource_path = route.path
        invocation.resource_id = route.resource_id
        self._node.start(self._run(invocation, live, route, door))

    def _introduce(self, invocation: HttpInvocation, request: Request, live: LiveHttpStage) -> None:
        settings = self._settings
        invocation.forwarded = arrival.forwarded(request, settings)
        invocation.trace = arrival.trace_of(request.header("x-amzn-trace-id"), invocation.request_time)
        invocation.domain_prefix = invocation.caller.domain_name.partition(".")[0]
        invocation.protocol = f"HTTP/{request.version[0]}.{request.version[1]}"
        if not live.is_rest:
            invocation.extended_request_id = invocation.request_id
            return
        invocation.extended_request_id = ids.request_id()
        chosen = request.header("x-amzn-requestid")
        if chosen is not None and _UUID.fullmatch(chosen):
            invocation.request_id = chosen
        method = request.header("x-http-method-override")
        if method is not None:
            # Here, once: whatever looks at the method from now on sees this one.
            invocation.method = method

    async def _run(self, invocation: HttpInvocation, live: LiveHttpStage, route: LiveRoute, door: Door) -> None:
        try:
            await route.run(invocation)
        except Exception as raised:
            error = raised if isinstance(raised, GatewayError) else _bug(raised, invocation)
            self._refuse(invocation, live, route.metrics, error, door)
            return
        reply = invocation.reply
        self._answer(invocation, live, route.metrics, reply if reply is not None else Reply(200), door)

    # ---- the answer

    def _refuse(
        self, invocation: HttpInvocation, live: LiveHttpStage, metrics: RouteMetrics, error: GatewayError, door: Door
    ) -> None:
        invocation.error = error
        self._reasons.say(
            f"{error.response_type}: {error.detail or error.message}",
            api=live.api_id,
            stage=live.stage,
            route=invocation.route_key,
            request=invocation.request_id,
        )
        self._answer(invocation, live, metrics, live.refuse(error, invocation), door)

    def _answer(
        self, invocation: HttpInvocation, live: LiveHttpStage, metrics: RouteMetrics, reply: Reply, door: Door
    ) -> None:
        if live.settle is not None:
            reply = live.settle(reply, invocation)
        invocation.status = reply.status
        reply.headers = [*reply.headers, *live.ids(invocation)]
        door.answer(reply_bytes(reply, keep=True, body=invocation.method != "HEAD"), keep=True)
        self._count(invocation, reply, metrics)
        if live.log_line is not None:
            invocation.reply = reply
            self._access_log.add(live.log_line, invocation)

    @staticmethod
    def _count(invocation: HttpInvocation, reply: Reply, metrics: RouteMetrics) -> None:
        metrics.messages += 1
        if reply.status >= 500:
            metrics.execution_errors += 1
        elif reply.status >= 400:
            metrics.client_errors += 1
        if invocation.request is not None:
            metrics.observe_latency(invocation.integration_latency)


def _bug(raised: Exception, invocation: HttpInvocation) -> GatewayError:
    """What a client is told of an error that is ours. `run` catches those of steps; this is for what is around them."""
    log.error("a request failed: request=%s", invocation.request_id, exc_info=raised)
    return GatewayError(detail=f"unexpected {type(raised).__name__}")
