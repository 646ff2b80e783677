"""@connections: POST, GET and DELETE on a connection, as API Gateway's SDKs send them.

Statuses, bodies and headers were recorded on the service in September 2026: 410 and 413 have no body, 413 has no
x-amzn headers either, a bad id is 400 before anybody asks who is calling.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

from wsgw import ids
from wsgw.authorizers.iam import SignedRequest
from wsgw.authorizers.management import ManagementGuard
from wsgw.caller import ConnectionFacts
from wsgw.edge.arrival import source_ip, through_proxy
from wsgw.edge.connection import Connection
from wsgw.edge.frames import is_binary_type
from wsgw.edge.http import Door, Request, error_reply, http_date, reply_bytes
from wsgw.edge.node import Node
from wsgw.edge.push import Push
from wsgw.errors import BadRequest, Forbidden, GatewayError, Gone, LimitExceeded, RequestTooLarge
from wsgw.ids import read_connection_id
from wsgw.invocation import Invocation, Reply
from wsgw.live.route_table import LiveSocketStage
from wsgw.live.stages import Place
from wsgw.observe.logs import AccessLog, Reasons
from wsgw.pipeline.throttle import ACCOUNT_KEY, allowed, limit_of
from wsgw.stores.base import Question, Throttle

_AT_CONNECTIONS = re.compile(r"(?:@|%40)connections/([^/?]+)\Z")


def connection_in(rest: str) -> str | None:
    """The connection id in `rest`, the path behind a stage, if it is @connections/{id} in one of its spellings."""
    match = _AT_CONNECTIONS.match(rest)
    if match is None:
        return None
    # As SDKs write it: a full decoding would cost more than all the rest of this look-up.
    text = match[1].replace("%3D", "=")
    return unquote(text) if "%" in text else text


class Management:
    """Answers @connections for all stages of a node. `guard` may be replaced: keys and tokens come with deployments."""

    def __init__(
        self,
        node: Node,
        push: Push,
        guard: ManagementGuard,
        buckets: Throttle,
        access_log: AccessLog,
        reasons: Reasons,
    ) -> None:
        self._node = node
        self._push = push
        self.guard = guard
        self._buckets = buckets
        self._settings = settings = node.settings
        self._account = limit_of(settings.account_rate, settings.account_burst)
        self._access_log = access_log
        self._reasons = reasons

    def handle(self, request: Request, place: Place[LiveSocketStage], connection_id: str, door: Door) -> None:
        """Answer `request` through `door`: now, or when the client has taken what was posted."""
        live = place.live
        record = Invocation(
            live,
            "CONNECTION_API",
            f"{request.method} /@connections/{{connectionId}}",
            _Nobody(connection_id),
            ids.request_id(),
            self._push.wall_ms(),
        )
        try:
            target = self._checked(request, live, connection_id)
            if self._account is None and isinstance(target, Connection):
                self._here(request, target, live, record, door)
            else:
                self._node.start(self._wait(request, target, live, record, door))
        except GatewayError as error:
            self._refuse(request, live, record, door, error)

    def _here(
        self, request: Request, connection: Connection, live: LiveSocketStage, record: Invocation, door: Door
    ) -> None:
        """Do it to a connection of this node. Raises what refuses it."""
        record.connection = connection
        if request.method == "POST":
            self._post(request, connection, live, record, door)
        elif request.method == "GET":
            self._finish(record, door, _success(record, 200, _pretty(self._push.describe(connection))))
        else:
            connection.end_normally()
            self._finish(record, door, _success(record, 204, b""))

    async def _wait(
        self, request: Request, target: Connection | str, live: LiveSocketStage, record: Invocation, door: Door
    ) -> None:
        """What cannot be done at once: ask the account's bucket, or the node that holds the connection."""
        try:
            if self._account is not None and not await allowed(self._buckets, ACCOUNT_KEY, self._account):
                raise LimitExceeded(detail="account_throttle")
            if isinstance(target, str):
                await self._elsewhere(request, target, live, record, door)
            else:
                self._here(request, target, live, record, door)
        except GatewayError as error:
            self._refuse(request, live, record, door, error)

    async def _elsewhere(
        self, request: Request, node: str, live: LiveSocketStage, record: Invocation, door: Door
    ) -> None:
        connection_id = record.connection.id
        if request.method == "POST":
            binary = is_binary_type(request.header("content-type"))
            await self._push.ask(node, Question("POST", connection_id, live.api_id, request.body, binary))
            self._finish(record, door, _posted(record))
        elif request.method == "GET":
            described = await self._push.get(connection_id, live.api_id)
            self._finish(record, door, _success(record, 200, _pretty(described)))
        else:
            await self._push.ask(node, Question("DELETE", connection_id, live.api_id))
            self._finish(record, door, _success(record, 204, b""))

    def _checked(self, request: Request, live: LiveSocketStage, connection_id: str) -> Connection | str:
        """The connection that is meant, once it is known to be a good request by somebody who may. Raises otherwise.

        A string: it is not here, but may be on the other node that has this name.
        """
        if request.method not in ("POST", "GET", "DELETE"):
            raise Forbidden(detail="method_not_allowed")
        known = self._push.local(connection_id)
        home = known.slot.live if known is not None else None
        node = self._node.name
        if home is not None:
            tag = home.api_tag
        else:
            read = read_connection_id(connection_id)
            if read is None:
                raise BadRequest(f"Invalid connectionId: {connection_id}", detail="invalid_connection_id")
            node, tag = read
        limit = live.limits.message_bytes
        if request.method == "POST" and limit and len(request.body) > limit:
            raise RequestTooLarge
        self.guard.check(
            SignedRequest(request.method, request.target, request.headers, request.body),
            source_ip(request, self._settings),
            live.api_id,
            live.stage,
            proxied=through_proxy(request, self._settings),
        )
        # The id itself says its API, so this answer is the same whether or not such a connection exists.
        if tag != live.api_tag:
            raise Forbidden(detail="connection_of_another_api")
        if known is None and self._push.other(node):
            return node
        # A tag is 24 bits: another API may have the same. Where the connection's stage is gone, so is it.
        if known is None or home is None or home.api_id != live.api_id:
            raise Gone
        return known

    def _post(
        self, request: Request, connection: Connection, live: LiveSocketStage, record: Invocation, door: Door
    ) -> None:
        if self._push.send(connection, request.body, is_binary_type(request.header("content-type"))):
            self._finish(record, door, _posted(record))
            return

        def taken(ok: bool) -> None:
            if ok:
                self._finish(record, door, _posted(record))
            else:
                self._refuse(request, live, record, door, Gone())

        connection.when_taken(taken)

    def _finish(self, record: Invocation, door: Door, answer: bytes) -> None:
        door.answer(answer, keep=True)
        self._log(record)

    def _refuse(
        self, request: Request, live: LiveSocketStage, record: Invocation, door: Door, error: GatewayError
    ) -> None:
        record.error = error
        record.status = error.status
        reply = Reply(413) if isinstance(error, RequestTooLarge) else error_reply(error, record.request_id)
        live.management.client_errors += 1
        if not isinstance(error, Gone | LimitExceeded):
            self._reasons.say(
                f"management: {error.error_type} {error.detail}".rstrip(), api=live.api_id, stage=live.stage
            )
        door.answer(reply_bytes(reply, keep=True, body=request.method != "HEAD"), keep=True)
        self._log(record)

    def _log(self, record: Invocation) -> None:
        line = record.site.log_line
        if line is not None:
            self._access_log.add(line, record)


class _Nobody(ConnectionFacts):
    """The connection in the log of a management call that found none."""

    __slots__ = ()

    def __init__(self, id: str) -> None:
        super().__init__()
        self.id = id
        self.connected_at = 0
        self.source_ip = self.domain_name = self.callback_base = ""
        self.user_agent = None


def _posted(record: Invocation) -> bytes:
    # The path of every push: one string, rather than a Reply and its serialisation.
    return (
        f"HTTP/1.1 200 OK\r\nDate: {http_date()}\r\nContent-Type: application/json\r\n"
        f"x-amzn-RequestId: {ids.uuid()}\r\nx-amz-apigw-id: {record.request_id}\r\n"
        f"X-Amzn-Trace-Id: {ids.trace_id(record.request_time // 1000)}\r\n"
        "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n"
    ).encode("ascii")


def _success(record: Invocation, status: int, body: bytes) -> bytes:
    record.status = status
    headers = (
        ("Content-Type", "application/json"),
        ("x-amzn-RequestId", ids.uuid()),
        ("x-amz-apigw-id", record.request_id),
        ("X-Amzn-Trace-Id", ids.trace_id(record.request_time // 1000)),
    )
    return reply_bytes(Reply(status, body, headers), keep=True)


def _pretty(members: dict[str, object]) -> bytes:
    """JSON as GetConnection prints it: two blanks a level, ` : ` between name and value."""
    return json.dumps(members, indent=2, separators=(",", " : "), ensure_ascii=False).encode()
