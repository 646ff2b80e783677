"""Tokens that end while a connection is open: it is closed then, or asked for another one in band before.

    gateway → client   {"event":"wsgw.refresh","expiresAt":1767225600,"connectionId":"…"}
    client → gateway   {"event":"wsgw.refresh","token":"…"}          or, where the stage has them, "ticket"
    gateway → client   {"event":"wsgw.refreshed","expiresAt":1767229200}

The other token is looked at by the authorizer of `$connect` and must be of the same principal. Ours: API Gateway never
asks again after the handshake.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final

import orjson

from wsgw import ids
from wsgw.caller import ConnectionFacts, Principal
from wsgw.edge.departed import Retold, record_of
from wsgw.edge.tickets import Tickets
from wsgw.errors import GatewayError, Gone, LimitExceeded, Unauthorized
from wsgw.invocation import Invocation
from wsgw.live.route_table import LiveSocketStage
from wsgw.observe.logs import Reasons
from wsgw.observe.metrics import count
from wsgw.pipeline.credentials import refusal
from wsgw.pipeline.refuse import websocket_frame

if TYPE_CHECKING:
    from wsgw.authorizers.revoked import Revoked
    from wsgw.edge.connection import Connection
    from wsgw.edge.node import Node
    from wsgw.stores.base import Book

log = logging.getLogger("wsgw.refreshes")

#: The close code of a connection that is authorized no more. 4000 to 4999 are for applications (RFC 6455 §7.4.2).
UNAUTHORIZED: Final = 4401
#: What every message of ours has in it. Others are not parsed to find out whose they are.
MARK: Final = b'"wsgw.refresh"'
#: `Connection.refresh` while another token is looked at.
VERIFYING: Final = -1.0

#: The wall clock may be set: it is looked at this often, seconds.
_LOOK = 60.0


def expiry_due(connection: Connection, live: LiveSocketStage, now: float) -> float:
    """Close `connection`, or ask it for another token, where it is time; gives the next time to look."""
    principal = connection.principal
    if principal is None or principal.expires is None:
        return inf
    if connection.refresh == VERIFYING:
        # It has answered in time: how long we take to look at that is not its fault.
        return now + 1
    node = connection.node
    left = principal.expires - node.wall_ms() / 1000
    if left <= 0:
        count("token_expired")
        connection.close(UNAUTHORIZED, "Token expired")
        return now + node.settings.close_seconds
    if live.token_expiry == "REFRESH" and connection.refresh != principal.expires:
        ahead = left - node.settings.token_refresh_seconds
        if ahead > 0:
            return now + min(ahead, _LOOK)
        if not _ask(connection, principal.expires):
            return now + min(left, 1.0)
        connection.refresh = principal.expires
    return now + min(left, _LOOK)


def _ask(connection: Connection, expires: float) -> bool:
    """False if there is no room for it now."""
    asked = {"event": "wsgw.refresh", "expiresAt": int(expires), "connectionId": connection.id}
    return _tell(connection, orjson.dumps(asked))


def _tell(connection: Connection, text: bytes) -> bool:
    active = connection.last_active
    try:
        connection.send(text)
    except (Gone, LimitExceeded):
        return False
    # Not something that the API has said: a client that is idle stays so.
    connection.last_active = active
    return True


class Refreshes:
    """Takes the answers of clients that were asked for another token. `book` is where open connections are written."""

    def __init__(
        self,
        node: Node,
        tickets: Tickets,
        revoked: Revoked,
        reasons: Reasons,
        book: Callable[[], Book],
    ) -> None:
        self._node = node
        self._tickets = tickets
        self._revoked = revoked
        self._reasons = reasons
        self._book = book

    def take(self, connection: Connection, payload: bytes) -> bool:
        """Whether `payload`, which has our mark in it, is an answer, and not a message for a route."""
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(document, dict) or document.get("event") != "wsgw.refresh":
            return False
        live, principal = connection.slot.live, connection.principal
        if live is None or connection.refresh == VERIFYING:
            return True
        if principal is None or principal.expires is None or connection.refresh != principal.expires:
            # Nobody has asked. How it stands is all that this costs: to look at a token may cost a function's call.
            self._refreshed(connection)
            return True
        connection.refresh = VERIFYING
        self._node.start(self._look(connection, live, principal, document))
        return True

    async def _look(
        self, connection: Connection, live: LiveSocketStage, principal: Principal, document: dict[str, Any]
    ) -> None:
        invocation = Invocation(live, "CONNECT", "$connect", _Again(connection), ids.request_id(), self._node.wall_ms())
        try:
            another = await self._principal(live, invocation, document)
            # Tokens without a subject are of nobody in particular: two of them need not be of the same.
            if not another.id or another.id != principal.id:
                raise Unauthorized(detail="token_of_another_principal")
            if another.expires is not None and another.expires <= self._node.wall_ms() / 1000:
                raise Unauthorized(detail="token_expired")
        except GatewayError as error:
            self._refuse(connection, principal, invocation, error)
            return
        except Exception as error:
            log.exception("a token could not be refreshed: connection=%s", connection.id)
            self._refuse(connection, principal, invocation, GatewayError(detail=f"unexpected {type(error).__name__}"))
            return
        if connection.close_code:
            return
        assert principal.expires is not None
        if another.expires is not None and another.expires <= principal.expires:
            # The token that it has already, or an older one: what stands stays, and it is not asked once more.
            connection.refresh = principal.expires
        else:
            connection.principal, connection.refresh = another, 0.0
            self._write_down(connection, live)
            self._node.hasten(connection, self._node.now())
            count("token_refreshed")
        self._refreshed(connection)

    async def _principal(self, live: LiveSocketStage, invocation: Invocation, document: dict[str, Any]) -> Principal:
        """Whom the answer shows. Raises GatewayError."""
        caller = invocation.caller
        token, ticket, again = document.get("token"), document.get("ticket"), live.reauthorization
        if isinstance(ticket, str) and ticket and live.tokens is not None and live.tokens.ticket:
            caller.principal = await self._tickets.redeem(live.api_id, live.stage, ticket)
        elif isinstance(token, str) and token.isascii() and token.isprintable() and token and again is not None:
            invocation.headers = [("Host", caller.domain_name), *again.headers(token)]
            invocation.query = again.query(token)
            await again.route.run(invocation)
        if caller.principal is None:
            raise Unauthorized(detail="no_token_in_answer")
        if name := self._revoked.of(caller):
            raise refusal(caller, name)
        return caller.principal

    def _refuse(
        self, connection: Connection, principal: Principal, invocation: Invocation, error: GatewayError
    ) -> None:
        self._reasons.say(
            f"token refresh: {error.response_type}: {error.detail}",
            api=invocation.site.api_id,
            stage=invocation.site.stage,
            connection=connection.id,
            request=invocation.request_id,
        )
        if error.status < 500:
            count("token_refused")
            connection.close(UNAUTHORIZED, "Token refused")
            return
        # Who should look at it cannot: the client may send it again until its time is over.
        assert principal.expires is not None
        connection.refresh = principal.expires
        _tell(connection, websocket_frame(error, invocation))
        self._node.hasten(connection, self._node.now())

    def _write_down(self, connection: Connection, live: LiveSocketStage) -> None:
        """Its principal is another one now, as events say it: so does the last of them, whoever tells it."""
        written = self._book().enter(record_of(connection, live.api_id, live.stage))
        self._node.start(_until(written))

    def _refreshed(self, connection: Connection) -> None:
        principal = connection.principal
        expires = principal.expires if principal is not None else None
        answer = {"event": "wsgw.refreshed", "expiresAt": None if expires is None else int(expires)}
        _tell(connection, orjson.dumps(answer))


async def _until(written: Awaitable[bool]) -> None:
    await written


class _Again(Retold):
    """A connection as its authorizer sees it once more: without the principal that it has."""

    __slots__ = ()

    def __init__(self, connection: ConnectionFacts) -> None:
        super().__init__(connection)
        self.certificate = connection.certificate
        self.api_key = connection.api_key
