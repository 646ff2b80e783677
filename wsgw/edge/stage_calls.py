"""What backends ask of a stage beside @connections: a connect ticket, and the end of a principal's connections.

    POST   {stage}/@tickets                    see tickets.Order and tickets.Issued
    DELETE {stage}/@principals/{principalId}   202: on all nodes, within a second

Signed and refused as @connections are, each by a resource of its own: who may push to clients may not become one. Ours.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from wsgw import ids
from wsgw.authorizers.iam import SignedRequest
from wsgw.edge.arrival import source_ip, through_proxy
from wsgw.edge.authority import Authority
from wsgw.edge.http import Door, Request, error_reply, reply_bytes
from wsgw.edge.management import Management
from wsgw.edge.node import Node
from wsgw.edge.tickets import Tickets
from wsgw.errors import BadRequest, Forbidden, GatewayError, NotFound, ServiceUnavailable, StoreUnavailable
from wsgw.invocation import Reply
from wsgw.live.route_table import LiveSocketStage
from wsgw.live.stages import Place
from wsgw.observe.logs import Reasons

_PATH = re.compile(r"(?:@|%40)(?:(tickets)|principals/([^/?]+))\Z")


class StageCall(NamedTuple):
    """What a path asks for: `principal` is whose connections are to end, None where it is a ticket."""

    principal: str | None

    @property
    def resource(self) -> str:
        """As policies name it, behind the method."""
        return "@tickets" if self.principal is None else "@principals/{principalId}"


def stage_call_in(rest: str) -> StageCall | None:
    """What `rest`, the path behind a stage, asks for, if it is one of these."""
    match = _PATH.match(rest)
    if match is None:
        return None
    return StageCall(None if match[1] else unquote(match[2]))


class StageCalls:
    """Answers them for all stages of a node. Who may is `management.guard`'s to say."""

    def __init__(
        self, node: Node, management: Management, tickets: Tickets, authority: Authority, reasons: Reasons
    ) -> None:
        self._node = node
        self._settings = node.settings
        self._management = management
        self._tickets = tickets
        self._authority = authority
        self._reasons = reasons

    def handle(self, request: Request, place: Place[LiveSocketStage], call: StageCall, door: Door) -> None:
        """Answer `request` through `door`, once the store has taken it."""
        self._node.start(self._handle(request, place.live, call, door))

    async def _handle(self, request: Request, live: LiveSocketStage, call: StageCall, door: Door) -> None:
        try:
            reply = await self._reply(request, live, call)
        except GatewayError as error:
            live.management.client_errors += error.status < 500
            self._reasons.say(
                f"management: {error.error_type} {error.detail}".rstrip(), api=live.api_id, stage=live.stage
            )
            reply = error_reply(error)
        door.answer(reply_bytes(reply, keep=True, body=request.method != "HEAD"), keep=True)

    async def _reply(self, request: Request, live: LiveSocketStage, call: StageCall) -> Reply:
        if request.method != ("POST" if call.principal is None else "DELETE"):
            raise Forbidden(detail="method_not_allowed")
        self._management.guard.check(
            SignedRequest(request.method, request.target, request.headers, request.body),
            source_ip(request, self._settings),
            live.api_id,
            live.stage,
            proxied=through_proxy(request, self._settings),
            what=call.resource,
        )
        if call.principal is None:
            if live.tokens is None or not live.tokens.ticket:
                raise NotFound("The stage takes no tickets: name their parameter in x-wsgw.tokens.ticket")
            issued = await self._tickets.issue(live.api_id, live.stage, request.body)
            return _json(200, msgspec.json.encode(issued))
        if not call.principal.isprintable():
            raise BadRequest("Invalid principalId")
        try:
            await self._authority.end_principal(call.principal, live.api_id, live.stage)
        except StoreUnavailable as error:
            raise ServiceUnavailable(detail=f"other nodes cannot be told: {error}") from error
        return _json(202, b"{}")


def _json(status: int, body: bytes) -> Reply:
    headers = [
        ("Content-Type", "application/json"),
        # A ticket lets in whoever has it.
        ("Cache-Control", "no-store"),
        ("x-amzn-RequestId", ids.uuid()),
        ("x-amz-apigw-id", ids.request_id()),
    ]
    return Reply(status, body, headers)
