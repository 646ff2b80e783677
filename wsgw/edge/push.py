"""Reach a connection wherever it is: post, get, delete.

A connection id names its node; in one process that is this one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from wsgw.edge.connection import Connection
from wsgw.edge.node import Node
from wsgw.edge.websocket import as_text
from wsgw.errors import BadRequest, Gone, RequestTooLarge
from wsgw.ids import read_connection_id
from wsgw.mapping.times import iso_ms


class Push:
    """The connections of `node`, as @connections, Python handlers and the command line reach them."""

    def __init__(self, node: Node) -> None:
        self._node = node

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
        """Send `data` and return when it is on the client's socket. Raises as `find` and `send`."""
        connection = self.find(connection_id)
        if self.send(connection, data, is_binary):
            return
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        connection.when_taken(lambda ok: None if taken.done() else taken.set_result(ok))
        if not await taken:
            raise Gone

    async def get(self, connection_id: str) -> dict[str, Any]:
        """What GetConnection answers: connectedAt, lastActiveAt (ISO 8601, milliseconds, UTC), identity."""
        return self.describe(self.find(connection_id))

    async def delete(self, connection_id: str) -> None:
        """Close the connection with 1000."""
        self.find(connection_id).end_normally()

    def describe(self, connection: Connection) -> dict[str, Any]:
        """As `get`, of a connection in hand. Members are in the order of the wire."""
        # Counted from when it was opened, so that it says the same until something is sent.
        last_active = connection.connected_at + int((connection.last_active - connection.opened_at) * 1000)
        return {
            "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent},
            "connectedAt": iso_ms(connection.connected_at),
            "lastActiveAt": iso_ms(last_active),
        }
