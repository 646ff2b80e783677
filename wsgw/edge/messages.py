"""What a client's message does: it takes its route's steps, and what they answer goes back as a frame."""

from __future__ import annotations

import logging

from wsgw import ids
from wsgw.edge.connection import Connection
from wsgw.edge.frames import TOO_BIG, Message, as_text, is_binary_type
from wsgw.edge.node import Node
from wsgw.edge.reports import Reports, measure
from wsgw.errors import AccessDenied, GatewayError, Gone, LimitExceeded
from wsgw.invocation import Invocation
from wsgw.live.route_table import LiveSocketStage
from wsgw.observe.logs import Reasons
from wsgw.observe.metrics import RouteMetrics, count
from wsgw.pipeline.refuse import uniform_error, websocket_frame

log = logging.getLogger("wsgw.websocket")


class Messages:
    """Answers the messages of a node's connections, each when its connection says that it is its turn."""

    def __init__(self, node: Node, reports: Reports, reasons: Reasons) -> None:
        self._node = node
        self._reasons = reasons
        self._log = reports.log
        self._failed = reports.failed

    async def message(self, connection: Connection, message: Message) -> None:
        """Take one message through its route, and send what it answers. Never raises."""
        live = connection.slot.live
        if live is None:
            self._send(connection, uniform_error(AccessDenied.default_message, connection.id, ids.request_id()))
            return
        node = self._node
        invocation = Invocation(live, "MESSAGE", "$default", connection, ids.request_id(), node.wall_ms(), message.data)
        invocation.is_binary = message.binary
        invocation.message_id = ids.message_id(connection.id)
        metrics = live.unmatched
        try:
            route = live.route_of(invocation)
            metrics = route.metrics
            metrics.messages += 1
            invocation.route_key = route.key
            await route.run(invocation)
            if route.two_way:
                self._answer(connection, live, invocation, metrics)
        except Exception as raised:
            error = raised if isinstance(raised, GatewayError) else _bug(raised, invocation)
            invocation.status = error.status
            self._failed(invocation, error, metrics)
            self._send(connection, websocket_frame(error, invocation))
        else:
            measure(invocation, metrics)
        self._log(invocation)

    def _answer(
        self, connection: Connection, live: LiveSocketStage, invocation: Invocation, metrics: RouteMetrics
    ) -> None:
        reply = invocation.reply
        if reply is None or not reply.body:
            return
        limit = live.limits.message_bytes
        if limit and len(reply.body) > limit:
            connection.close(TOO_BIG, "Message too big")
            self._reasons.say("reply_too_big", api=live.api_id, stage=live.stage, connection=connection.id)
            return
        binary = live.binary_pass and is_binary_type(reply.header("content-type"))
        metrics.messages += 1
        self._send(connection, reply.body if binary else as_text(reply.body), binary)

    def _send(self, connection: Connection, payload: bytes, binary: bool = False) -> None:
        try:
            connection.send(payload, binary)
        except Gone:
            pass  # It left while its message was on the way; `$disconnect` tells.
        except LimitExceeded:
            count("reply_dropped")
            self._reasons.say("outbox_full", connection=connection.id)


def _bug(raised: Exception, invocation: Invocation) -> GatewayError:
    """What a client is told of an error that is ours. `run` catches those of steps; this is for what is around them."""
    log.error("a message failed: request=%s", invocation.request_id, exc_info=raised)
    return GatewayError(detail=f"unexpected {type(raised).__name__}")
