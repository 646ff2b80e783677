"""How an HTTP or REST API's answer leaves: its last headers and framing, a body still coming, what is counted."""

from __future__ import annotations

import asyncio
import logging

from wsgw.edge.http import BODILESS, Door, error_reply, reply_bytes, reply_head
from wsgw.edge.outlet import pour
from wsgw.errors import BadRequestBody, GatewayError
from wsgw.integrations.drive import current
from wsgw.integrations.http_pool import Target
from wsgw.invocation import HttpInvocation, Reply
from wsgw.live.route_table import LiveHttpStage, LiveRoute
from wsgw.observe.logs import AccessLog, Reasons
from wsgw.observe.metrics import RouteMetrics

log = logging.getLogger("wsgw.requests")


class Answers:
    """Writes answers of HTTP and REST APIs, and what the operator sees of them."""

    def __init__(self, access_log: AccessLog, reasons: Reasons) -> None:
        self._access_log = access_log
        self._reasons = reasons

    def say_nowhere(self) -> None:
        """Log that an address leads to no stage: its sender learns no more than Forbidden or Not Found."""
        self._reasons.say("no_stage_at_this_address: the log of the start says where each stage answers")

    def say_uncertified(self, truststore: str) -> None:
        """Log that a domain name of mutual TLS was asked without a certificate of its truststore."""
        self._reasons.say("ACCESS_DENIED: no client certificate of the domain name's truststore", file=truststore)

    def refuse(
        self,
        invocation: HttpInvocation,
        live: LiveHttpStage,
        metrics: RouteMetrics,
        error: GatewayError,
        door: Door,
        *,
        keep: bool = True,
    ) -> None:
        """Answer with `error` in the API's own words; `keep` False ends the client's connection."""
        self.say(error, invocation, live)
        self.answer(invocation, live, metrics, live.refuse(error, invocation), door, keep=keep)

    def say(self, error: GatewayError, invocation: HttpInvocation, live: LiveHttpStage) -> None:
        """Log why `invocation` has failed, for the operator."""
        # The traceback holds the frames, they hold the invocation, and it holds the error: a ring for each refusal, and
        # the garbage collector's work on them was a third of what a refusal cost.
        error.__traceback__ = None
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

    def answer(
        self,
        invocation: HttpInvocation,
        live: LiveHttpStage,
        metrics: RouteMetrics,
        reply: Reply,
        door: Door,
        *,
        keep: bool = True,
    ) -> None:
        """Answer with `reply`, whose body is whole."""
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

    async def stream(
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
                    self.say(error, invocation, live)
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


def last_resort(raised: Exception, invocation: HttpInvocation, door: Door) -> None:
    """Answer, although wording the answer has failed: nobody may wait for one that never comes."""
    log.error("an answer could not be made: request=%s", invocation.request_id, exc_info=raised)
    door.answer(reply_bytes(error_reply(GatewayError()), keep=False, body=not invocation.is_head), keep=False)
