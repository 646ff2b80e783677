"""`$connect`: the handshake of a WebSocket, from an upgrade that is asked for to the 101, or what is said instead.

`$connect` is synchronous: the 101 waits for the route's integration, and any other status than 2xx is the answer to
the handshake. Source: developer guide, "Working with routes for WebSocket APIs"; recorded on the service.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl

from wsgw import ids
from wsgw.definitions.access import TokenPlaces
from wsgw.edge import arrival, tokens
from wsgw.edge.authority import Authority
from wsgw.edge.connection import Connection
from wsgw.edge.deflate import Agreement, negotiate
from wsgw.edge.departed import record_of
from wsgw.edge.descriptors import Descriptors
from wsgw.edge.frames import ABNORMAL, SERVICE_RESTART
from wsgw.edge.handshake import Upgrade
from wsgw.edge.http import Door, Request, http_date, reply_bytes, safe_headers
from wsgw.edge.node import Node
from wsgw.edge.reports import Reports, measure
from wsgw.edge.tickets import Tickets
from wsgw.errors import AccessDenied, GatewayError, ServiceUnavailable, Throttled, Unauthorized
from wsgw.invocation import Invocation, Reply
from wsgw.live.route_table import LiveRoute, LiveSocketStage
from wsgw.live.stages import Place
from wsgw.observe.metrics import count
from wsgw.pipeline.credentials import refusal
from wsgw.pipeline.refuse import handshake_reply
from wsgw.pipeline.throttle import ACCOUNT_CONNECTIONS_KEY, allowed, limit_of
from wsgw.stores.base import Book, Throttle


class _Handshake(NamedTuple):
    """One on its way: where it is answered, what it asks for, and what it becomes."""

    door: Door
    upgrade: Upgrade
    live: LiveSocketStage
    connection: Connection
    invocation: Invocation
    book: Book
    ticket: str = ""


class Handshakes:
    """Lets clients in, or refuses them. `book` is where the node's open connections are written down."""

    def __init__(
        self,
        node: Node,
        reports: Reports,
        buckets: Throttle,
        book: Callable[[], Book],
        tickets: Tickets,
        authority: Authority,
    ) -> None:
        self._node = node
        self._settings = settings = node.settings
        self._log = reports.log
        self._failed = reports.failed
        self._buckets = buckets
        self._book = book
        self._tickets = tickets
        self._authority = authority
        self._revoked = authority.revoked
        self._account = limit_of(settings.account_connection_rate, settings.account_connection_burst)
        self._pending = 0
        self._descriptors = Descriptors()

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
        measure(invocation, route.metrics)

    async def _conclude(self, handshake: _Handshake) -> None:
        """Give the 101, or the status that `$connect` wants instead."""
        door, upgrade, live, connection, invocation, book, _ = handshake
        reply = invocation.reply
        if reply is not None and not 200 <= reply.status <= 299:
            self._turn_away(door, invocation, reply)
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
            unavailable = handshake_reply(ServiceUnavailable(), connection.id, invocation.request_id)
            door.answer(reply_bytes(unavailable, keep=False), keep=False)
        elif door.lost:
            self._told_elsewhere(connection, ABNORMAL, "Connection lost")
            door.answer(b"", keep=False)
        else:
            door.upgrade(_switching_protocols(upgrade.accept, protocol, agreement), connection)
            # What was said of its principal while `$connect` was under way.
            if (end := self._authority.verdict(connection)) is not None:
                end()

    def _turn_away(self, door: Door, invocation: Invocation, reply: Reply) -> None:
        """Answer what `$connect` has answered in place of a 2xx."""
        if reply.status < 200:
            raise GatewayError(detail="connect_status_below_200")
        invocation.status = reply.status
        self._log(invocation)
        answer = Reply(reply.status, reply.body, _refusal_headers(reply, invocation.request_id))
        door.answer(reply_bytes(answer, keep=True), keep=True)

    def _told_elsewhere(self, connection: Connection, code: int, reason: str) -> None:
        """The backend has let this client in, who never came: it learns that the client is gone, as of any other."""
        connection.close_code, connection.close_reason = code, reason
        self._node.start(self._node.on_disconnect(connection))

    def _refuse(self, handshake: _Handshake, error: GatewayError) -> None:
        door, live, invocation = handshake.door, handshake.live, handshake.invocation
        reply = handshake_reply(error, invocation.connection.id, invocation.request_id)
        # A web ACL may answer with another one than the error's.
        invocation.status = reply.status
        metrics = live.connect.metrics if live.connect is not None else live.unmatched
        self._failed(invocation, error, metrics)
        self._log(invocation)
        door.answer(reply_bytes(reply, keep=True), keep=True)


def _is_from(origins: list[str], allowed: frozenset[str]) -> bool:
    # To the letter: browsers spell an origin in one way only. Whoever sends two of them is no browser.
    return len(origins) == 1 and origins[0] in allowed


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
