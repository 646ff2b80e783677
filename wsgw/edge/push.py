"""Reach a connection wherever it is: post, get, delete.

A connection id names its node. Where that is this one, the connection is asked; else its node is, over the bus, which
does there what is done here, and answers what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from wsgw.edge.connection import Connection
from wsgw.edge.frames import as_text
from wsgw.edge.node import Node
from wsgw.errors import (
    BadRequest,
    GatewayError,
    Gone,
    LimitExceeded,
    RequestTooLarge,
    ServiceUnavailable,
    StoreUnavailable,
)
from wsgw.ids import read_connection_id
from wsgw.mapping.times import iso_ms
from wsgw.stores.base import Answer, Bus, Question

#: What went wrong at the owner, by the status that it answered.
_REFUSALS: dict[int, type[GatewayError]] = {410: Gone, 413: RequestTooLarge, 429: LimitExceeded}


class Push:
    """The connections of the cluster, as @connections, Python handlers and the command line reach them.

    bus: how other nodes are asked; None where there are none.
    """

    def __init__(self, node: Node, bus: Bus | None = None) -> None:
        self._node = node
        self._bus = bus

    def use(self, bus: Bus) -> None:
        """Ask other nodes over `bus`, and answer what they ask."""
        self._bus = bus
        bus.on_question = self.answer

    def wall_ms(self) -> int:
        """The time of the node's clock, epoch milliseconds."""
        return self._node.wall_ms()

    def local(self, connection_id: str) -> Connection | None:
        """The open connection with this id, if this node holds it."""
        return self._node.get(connection_id)

    def find(self, connection_id: str, api_id: str | None = None) -> Connection:
        """The open connection. Raises BadRequest for what is no id of ours, Gone for one that is not here.

        api_id: the API that it must belong to, None for any.
        """
        connection = self._node.get(connection_id)
        if connection is None or connection.slot.live is None:
            if read_connection_id(connection_id) is None:
                raise BadRequest(f"Invalid connectionId: {connection_id}")
            raise Gone
        if api_id is not None and connection.slot.live.api_id != api_id:
            raise Gone
        return connection

    def send(self, connection: Connection, data: bytes, binary: bool = False) -> bool:
        """Send `data`. True: it is on the client's socket; False: it waits, `connection.when_taken` tells.

        Raises Gone, LimitExceeded, RequestTooLarge.
        """
        live = connection.slot.live
        if live is None:
            raise Gone
        limit = live.limits.message_bytes
        if limit and len(data) > limit:
            raise RequestTooLarge
        binary = binary and live.binary_pass
        sent = connection.send(data if binary else as_text(data), binary)
        live.management.messages += 1
        return sent

    async def post(self, connection_id: str, data: bytes, is_binary: bool = False) -> None:
        """Send `data` and return when it is on the client's socket.

        Raises BadRequest, Gone, LimitExceeded, RequestTooLarge; ServiceUnavailable if its node does not answer: the
        client may then have it or not.
        """
        if node := self.elsewhere(connection_id):
            await self.ask(node, Question("POST", connection_id, "", data, is_binary))
            return
        connection = self.find(connection_id)
        if self.send(connection, data, is_binary):
            return
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        connection.when_taken(lambda ok: None if taken.done() else taken.set_result(ok))
        if not await taken:
            raise Gone

    async def get(self, connection_id: str, api_id: str = "") -> dict[str, Any]:
        """What GetConnection answers: connectedAt, lastActiveAt (ISO 8601, milliseconds, UTC), identity.

        api_id: the API that the connection must belong to, "" for any. Raises as `post`.
        """
        row = await self.row(connection_id, api_id)
        return {name: value for name, value in row.items() if name not in ("apiId", "stage")}

    async def row(self, connection_id: str, api_id: str = "") -> dict[str, Any]:
        """As `get`, with `apiId` and `stage`."""
        if node := self.elsewhere(connection_id):
            answer = await self.ask(node, Question("GET", connection_id, api_id))
            try:
                return msgspec.json.decode(answer.data, type=dict[str, Any])
            except msgspec.DecodeError as error:
                raise ServiceUnavailable(detail=f"node {node}: its answer cannot be read") from error
        return self._row(self.find(connection_id, api_id or None))

    def _row(self, connection: Connection) -> dict[str, Any]:
        live = connection.slot.live
        return {"apiId": live and live.api_id, "stage": live and live.stage, **self.describe(connection)}

    async def delete(self, connection_id: str) -> None:
        """Close the connection with 1000."""
        if node := self.elsewhere(connection_id):
            await self.ask(node, Question("DELETE", connection_id))
            return
        self.find(connection_id).end_normally()

    # ---- other nodes

    def other(self, node: str) -> bool:
        """Whether `node`, as a connection id names it, is another one, which can be asked."""
        return node != self._node.name and self._bus is not None

    def elsewhere(self, connection_id: str) -> str:
        """The other node that the id names; "" if it is none, or this one."""
        if self._bus is None or self._node.get(connection_id) is not None:
            return ""
        read = read_connection_id(connection_id)
        return read.node if read is not None and self.other(read.node) else ""

    async def ask(self, node: str, question: Question) -> Answer:
        """Ask another node. Raises Gone, LimitExceeded, RequestTooLarge; ServiceUnavailable for no answer."""
        assert self._bus is not None
        try:
            answer = await self._bus.ask(node, question)
        except StoreUnavailable as error:
            raise ServiceUnavailable(detail=f"no answer from another node: {error}") from error
        if answer.status not in (200, 204):
            raise _REFUSALS.get(answer.status, ServiceUnavailable)(detail=f"node {node}: {answer.status}")
        return answer

    def answer(self, question: Question, answer: Callable[[Answer], None]) -> None:
        """Do what another node asks of a connection of ours; `answer` is called once it has happened."""
        try:
            connection = self.find(question.connection_id, question.api_id or None)
            if question.verb == "GET":
                answer(Answer(200, orjson.dumps(self._row(connection))))
            elif question.verb == "DELETE":
                connection.end_normally()
                answer(Answer(204))
            elif self.send(connection, question.data, question.binary):
                answer(Answer(200))
            else:
                connection.when_taken(lambda ok: answer(Answer(200 if ok else 410)))
        except BadRequest:
            answer(Answer(410))
        except GatewayError as error:
            answer(Answer(error.status))

    def describe(self, connection: Connection) -> dict[str, Any]:
        """As `get`, of a connection in hand. Members are in the order of the wire."""
        # Counted from when it was opened, so that it says the same until something is sent.
        last_active = connection.connected_at + int((connection.last_active - connection.opened_at) * 1000)
        return {
            "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent},
            "connectedAt": iso_ms(connection.connected_at),
            "lastActiveAt": iso_ms(last_active),
        }
