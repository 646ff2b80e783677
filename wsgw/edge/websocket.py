"""What happens on a WebSocket: the handshake with its `$connect`, messages, and `$disconnect`.

`$connect` is synchronous: the 101 waits for the route's integration, and any other status than 2xx is the answer to
the handshake. Source: developer guide, "Working with routes for WebSocket APIs"; recorded on the service.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import parse_qsl

from wsgw import ids
from wsgw.caller import ConnectionFacts
from wsgw.definitions.access import TokenPlaces
from wsgw.edge import arrival, tokens
from wsgw.edge.authority import Authority
from wsgw.edge.connection import Connection
from wsgw.edge.deflate import Agreement, negotiate
from wsgw.edge.departed import record_of
from wsgw.edge.departures import Ending, Outcome
from wsgw.edge.descriptors import Descriptors
from wsgw.edge.frames import ABNORMAL, SERVICE_RESTART, TOO_BIG, Message
from wsgw.edge.handshake import Upgrade
from wsgw.edge.http import Door, Request, http_date, reply_bytes, safe_headers
from wsgw.edge.node import Node
from wsgw.edge.refreshes import Refreshes
from wsgw.edge.tickets import Tickets
from wsgw.errors import (
    AccessDenied,
    ApiConfigurationError,
    BadRequestBody,
    GatewayError,
    Gone,
    LimitExceeded,
    ServiceUnavailable,
    Throttled,
    Unauthorized,
)
from wsgw.invocation import Invocation, Reply
from wsgw.live.route_table import LiveRoute, LiveSocketStage
from wsgw.live.stages import Place
from wsgw.observe.logs import AccessLog, Reasons
from wsgw.observe.metrics import RouteMetrics, count
from wsgw.pipeline.credentials import refusal
from wsgw.pipeline.refuse import handshake_reply, uniform_error, websocket_frame
from wsgw.pipeline.throttle import ACCOUNT_CONNECTIONS_KEY, allowed, limit_of
from wsgw.stores.base import Book, Throttle

log = logging.getLogger("wsgw.websocket")

_BINARY_TYPE = "application/octet-stream"


class _Handshake(NamedTuple):
    """One on its way: where it is answered, what it asks for, and what it becomes."""

    door: Door
    upgrade: Upgrade
    live: LiveSocketStage
    connection: Connection
    invocation: Invocation
    book: Book
    ticket: str = ""


class WebSockets:
    """Handshakes, messages and disconnects of one node. `book` is where its open connections are written down."""

    def __init__(
        self,
        node: Node,
        buckets: Throttle,
        access_log: AccessLog,
        reasons: Reasons,
        book: Callable[[], Book],
        tickets: Tickets,
        authority: Authority,
    ) -> None:
        self._node = node
        self._settings = settings = node.settings
        self._buckets = buckets
        self._access_log = access_log
        self._reasons = reasons
        self._book = book
        self._tickets = tickets
        self._authority = authority
        self._revoked = authority.revoked
        self._refreshes = Refreshes(node, tickets, self._revoked, reasons, self._write_down)
        self._account = limit_of(settings.account_connection_rate, settings.account_connection_burst)
        self._pending = 0
        self._descriptors = Descriptors()
        node.on_message = self.message

    # ---- the handshake

    def open(self, request: Request, place: Place[LiveSocketStage], upgrade: Upgrade, door: Door) -> None:
        """Answer an upgrade to the stage at `place`: at once, or when its `$connect` has answered."""
        live = place.live
        connection = Connection(self._node, place.slot, ids.connection_id(self._node.name, live.api_tag))
        arrival.introduce(connection, request, place, self._settings)
        invocation = Invocation(live, "CONNECT", "$connect", connection, ids.request_id(), connection.connected_at)
        invocation.received = request
        # The book of the name that the connection's id has: this node may have another when `$connect` has answered.
        handshake = _Handshake(door, upgrade, live, connection, invocation, self._book())
        try:
            self._admit(request, live)
            asks = live.connect is not None and live.connect.steps
            if asks or live.firewall is not None or live.tokens is not None:
                invocation.query = parse_qsl(request.target.partition("?")[2], keep_blank_values=True)
                invocation.headers = arrival.event_headers(request, connection, self._settings)
            if live.tokens is not None:
                handshake = self._shown(handshake, live.tokens, request)
            if live.firewall is not None:
                live.firewall(invocation)
        except GatewayError as error:
            self._refuse(handshake, error)
            return
        self._pending += 1
        self._node.start(self._shake_hands(handshake))

    def _admit(self, request: Request, live: LiveSocketStage) -> None:
        """What the gateway itself asks of a handshake, before any route and without waiting. Raises the refusal."""
        settings = self._settings
        # Those that wait for their `$connect` are counted: all of them may be let in.
        full = settings.max_connections and len(self._node) + self._pending >= settings.max_connections
        if self._node.refuses or full or self._pending >= settings.handshakes:
            raise ServiceUnavailable(detail=self._node.refuses or "too_many_connections")
        if self._descriptors.few():
            count("descriptors_few")
            raise ServiceUnavailable(detail="too_few_file_descriptors")
        if live.allowed_origins is not None and not _is_from(request.all("origin"), live.allowed_origins):
            raise AccessDenied(detail="origin_not_allowed")

    def _shown(self, handshake: _Handshake, places: TokenPlaces, request: Request) -> _Handshake:
        """The handshake without the token or the ticket that it has carried elsewhere than in a header."""
        invocation, upgrade, live = handshake.invocation, handshake.upgrade, handshake.live
        offered = upgrade.subprotocols
        try:
            shown = tokens.shown(places, invocation.headers, invocation.query, offered)
        except GatewayError:
            # Whoever looks at what was refused is not shown it either.
            invocation.headers, invocation.query = (), ()
            raise
        invocation.headers, invocation.query = shown.headers, shown.query
        if shown.by_cookie and live.allowed_origins is None:
            tokens.check_origin(request.all("origin"), arrival.own_origins(request, self._settings))
        if live.ticket_wanted and not shown.ticket:
            raise Unauthorized(detail="no_ticket")
        return handshake._replace(upgrade=upgrade._replace(subprotocols=shown.subprotocols), ticket=shown.ticket)

    async def _shake_hands(self, handshake: _Handshake) -> None:
        live = handshake.live
        try:
            await self._throttle(live)
            if handshake.ticket:
                await self._redeem(handshake)
            if live.connect is not None and live.connect.steps:
                await self._ask(handshake.invocation, live.connect)
            await self._conclude(handshake)
        except GatewayError as error:
            self._refuse(handshake, error)
        finally:
            self._pending -= 1

    async def _redeem(self, handshake: _Handshake) -> None:
        """Take the ticket for who it says. Raises Unauthorized."""
        live, connection = handshake.live, handshake.connection
        connection.principal = await self._tickets.redeem(live.api_id, live.stage, handshake.ticket)
        if name := self._revoked.of(connection):
            connection.principal = None
            raise refusal(connection, name)

    async def _throttle(self, live: LiveSocketStage) -> None:
        """Take from the buckets of new connections. Raises Throttled."""
        for key, limit in (
            (f"new-connections/{live.api_id}/{live.stage}", live.new_connections),
            (ACCOUNT_CONNECTIONS_KEY, self._account),
        ):
            if limit is not None and not await allowed(self._buckets, key, limit):
                raise Throttled(detail="new_connections")

    async def _ask(self, invocation: Invocation, route: LiveRoute) -> None:
        try:
            await route.run(invocation)
        except GatewayError as error:
            # What is the caller's fault was refused before the integration: ConnectCount is of calls to it.
            route.metrics.connects += error.status >= 500
            raise
        route.metrics.connects += 1
        self._measure(invocation, route.metrics)

    async def _conclude(self, handshake: _Handshake) -> None:
        """Give the 101, or the status that `$connect` wants instead."""
        door, upgrade, live, connection, invocation, book, _ = handshake
        reply = invocation.reply
        if reply is not None and reply.status < 200:
            raise GatewayError(detail="connect_status_below_200")
        if reply is not None and reply.status > 299:
            invocation.status = reply.status
            self._log(invocation)
            refusal = Reply(reply.status, reply.body, _refusal_headers(reply, invocation.request_id))
            door.answer(reply_bytes(refusal, keep=True), keep=True)
            return
        protocol = reply.header("sec-websocket-protocol") or None if reply is not None else None
        # No integration was asked; or a token was offered, and a browser ends a connection that none is chosen for.
        if reply is None or (protocol is None and live.tokens is not None and live.tokens.subprotocol):
            protocol = next((offer for offer in upgrade.subprotocols if offer in (live.subprotocols or ())), None)
        if protocol is not None and protocol not in upgrade.subprotocols:
            raise GatewayError(detail="subprotocol_not_offered")
        agreement = negotiate(upgrade.extensions) if live.compression and upgrade.extensions else None
        connection.window_bits = agreement.window_bits if agreement is not None else 0
        # Before the client reads the 101: should this node die right after it, others know whom to tell.
        await book.enter(record_of(connection, live.api_id, live.stage))
        invocation.status = 200
        self._log(invocation)
        if book.lost:
            # This node was held for dead meanwhile, and has another name, or will: nobody would find this connection.
            self._told_elsewhere(connection, SERVICE_RESTART, "Service restart")
            refusal = handshake_reply(ServiceUnavailable(), connection.id, invocation.request_id)
            door.answer(reply_bytes(refusal, keep=False), keep=False)
        elif door.lost:
            self._told_elsewhere(connection, ABNORMAL, "Connection lost")
            door.answer(b"", keep=False)
        else:
            door.upgrade(_switching_protocols(upgrade.accept, protocol, agreement), connection)
            # What was said of its principal while `$connect` was under way.
            if (end := self._authority.verdict(connection)) is not None:
                end()

    def _told_elsewhere(self, connection: Connection, code: int, reason: str) -> None:
        """The backend has let this client in, who never came: it learns that the client is gone, as of any other."""
        connection.close_code, connection.close_reason = code, reason
        self._node.start(self._node.on_disconnect(connection))

    def _refuse(self, handshake: _Handshake, error: GatewayError) -> None:
        door, live, invocation = handshake.door, handshake.live, handshake.invocation
        reply = handshake_reply(error, invocation.connection.id, invocation.request_id)
        invocation.error = error
        # A web ACL may answer with another one than the error's.
        invocation.status = reply.status
        self._say(invocation, error)
        self._count(error, live.connect.metrics if live.connect is not None else live.unmatched)
        self._log(invocation)
        door.answer(reply_bytes(reply, keep=True), keep=True)

    def _write_down(self, connection: Connection, live: LiveSocketStage) -> None:
        """Its principal is another one now, as events say it: so does the last of them, whoever tells it."""
        written = self._book().enter(record_of(connection, live.api_id, live.stage))
        self._node.start(_until(written))

    # ---- messages

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
            invocation.error = error
            invocation.status = error.status
            self._count(error, metrics)
            self._say(invocation, error)
            self._send(connection, websocket_frame(error, invocation))
        else:
            self._measure(invocation, metrics)
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

    # ---- the end

    async def tell(self, connection: ConnectionFacts, live: LiveSocketStage, ending: Ending) -> Outcome:
        """Run the `$disconnect` route for `connection`, which has ended: one attempt. Raises nothing of its own."""
        invocation = Invocation(live, "DISCONNECT", "$disconnect", connection, ids.request_id(), self._node.wall_ms())
        invocation.disconnect_code = ending.code
        invocation.disconnect_reason = ending.reason
        invocation.headers = (
            ("Host", connection.domain_name),
            ("x-api-key", ""),
            ("X-Forwarded-For", ""),
            ("x-restapi", ""),
        )
        outcome = Outcome.TAKEN
        route = live.disconnect
        if route is not None:
            try:
                await route.run(invocation)
            except GatewayError as error:
                # What is wrong with the definition, rather than with a backend, time alone does not put right.
                hopeless = error.status < 500 or isinstance(error, ApiConfigurationError)
                outcome = Outcome.HOPELESS if hopeless else Outcome.FAILED
                invocation.error = error
                invocation.status = error.status
                self._count(error, route.metrics)
                self._say(invocation, error)
            else:
                self._measure(invocation, route.metrics)
                # A backend that is overloaded, or fails, has not taken it; what it refuses, it would refuse again.
                if invocation.integration_status >= 500 or invocation.integration_status == 429:
                    outcome = Outcome.FAILED
        self._log(invocation)
        return outcome

    # ---- what the operator sees

    def _log(self, invocation: Invocation) -> None:
        line = invocation.site.log_line
        if line is not None:
            self._access_log.add(line, invocation)

    def _measure(self, invocation: Invocation, metrics: RouteMetrics) -> None:
        if invocation.integration_status >= 400:
            metrics.integration_errors += 1
        if invocation.request is not None:
            metrics.observe_latency(invocation.integration_latency)

    @staticmethod
    def _count(error: GatewayError, metrics: RouteMetrics) -> None:
        if error.status < 500:
            metrics.client_errors += 1
        else:
            metrics.execution_errors += 1

    def _say(self, invocation: Invocation, error: GatewayError) -> None:
        # As in answers.py: the error is kept with the invocation, which its traceback's frames hold.
        error.__traceback__ = None
        # What is wrong with a message may name members that its sender made up: that is for the access log alone.
        why = error.message if isinstance(error, BadRequestBody) else error.detail or error.message
        self._reasons.say(
            f"{error.response_type}: {why}",
            api=invocation.site.api_id,
            stage=invocation.site.stage,
            route=invocation.route_key,
            connection=invocation.connection.id,
            request=invocation.request_id,
        )


def _bug(raised: Exception, invocation: Invocation) -> GatewayError:
    """What a client is told of an error that is ours. `run` catches those of steps; this is for what is around them."""
    log.error("a message failed: request=%s", invocation.request_id, exc_info=raised)
    return GatewayError(detail=f"unexpected {type(raised).__name__}")


async def _until(written: Awaitable[bool]) -> None:
    await written


def _is_from(origins: list[str], allowed: frozenset[str]) -> bool:
    # To the letter: browsers spell an origin in one way only. Whoever sends two of them is no browser.
    return len(origins) == 1 and origins[0] in allowed


def is_binary_type(content_type: str | None) -> bool:
    """Whether a Content-Type asks for a binary frame; names of media types have no case (RFC 9110 §8.3.1)."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == _BINARY_TYPE


def as_text(payload: bytes) -> bytes:
    """`payload` as a text frame may carry it: what is not UTF-8 becomes U+FFFD, as the service does."""
    if payload.isascii():
        return payload
    return payload.decode("utf-8", "replace").encode()


def _refusal_headers(reply: Reply, request_id: str) -> list[tuple[str, str]]:
    headers = safe_headers(reply)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json; charset=UTF-8"))
    return [*headers, ("x-amz-apigw-id", request_id)]


def _switching_protocols(accept: str, protocol: str | None, agreement: Agreement | None) -> bytes:
    """The 101, with only what the service sends; nothing of the integration's headers but the subprotocol."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        f"date: {http_date()}",
        "connection: upgrade",
        "upgrade: websocket",
        f"sec-websocket-accept: {accept}",
    ]
    if protocol is not None:
        lines.append(f"sec-websocket-protocol: {protocol}")
    if agreement is not None:
        lines.append(f"sec-websocket-extensions: {agreement.response}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
