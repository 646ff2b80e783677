"""What a Python handler gets beside its event: its time, its ids, and the open connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

import orjson

Handler = Callable[[dict[str, Any], "Context"], Any]
Data = str | bytes | dict[str, Any] | list[Any]


class Connections(Protocol):
    """Open connections of every API that this process can reach, by id."""

    async def post(self, connection_id: str, data: bytes, is_binary: bool = False, /) -> None:
        """Send `data`. Raises Gone, LimitExceeded, RequestTooLarge."""

    async def get(self, connection_id: str, /) -> dict[str, Any]:
        """What GetConnection answers. Raises Gone."""

    async def delete(self, connection_id: str, /) -> None:
        """Close the connection. Raises Gone."""


class HandlerConnections:
    """`context.connections` of an asynchronous handler."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def post(self, id: str, data: Data, *, binary: bool = False) -> None:
        """Send a message: text, bytes, or JSON where `data` is a dict or list.

        A text frame, as from @connections, whatever `data` is; `binary` asks for a binary frame, which an API with
        `binaryMessages: PASS` grants. Raises Gone, LimitExceeded, RequestTooLarge (all of wsgw.errors).
        """
        if isinstance(data, str):
            data = data.encode("utf-8", "replace")
        elif not isinstance(data, bytes):
            data = orjson.dumps(data)
        await self._connections.post(id, data, binary)

    async def get(self, id: str) -> dict[str, Any]:
        """connectedAt, lastActiveAt and identity of an open connection. Raises Gone."""
        return await self._connections.get(id)

    async def delete(self, id: str) -> None:
        """Close a connection with 1000. Raises Gone."""
        await self._connections.delete(id)


class BlockingConnections:
    """`context.connections` of a plain function, which runs in a thread: the same, but each call waits for its end."""

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._connections = HandlerConnections(connections)
        self._loop = loop

    def post(self, id: str, data: Data, *, binary: bool = False) -> None:
        """As HandlerConnections.post."""
        asyncio.run_coroutine_threadsafe(self._connections.post(id, data, binary=binary), self._loop).result()

    def get(self, id: str) -> dict[str, Any]:
        """As HandlerConnections.get."""
        return asyncio.run_coroutine_threadsafe(self._connections.get(id), self._loop).result()

    def delete(self, id: str) -> None:
        """As HandlerConnections.delete."""
        asyncio.run_coroutine_threadsafe(self._connections.delete(id), self._loop).result()


class Context:
    """What a handler gets beside its event; names are those of Lambda's context object."""

    __slots__ = ("_ends_at", "aws_request_id", "connections", "function_name")

    def __init__(
        self,
        connections: HandlerConnections | BlockingConnections,
        aws_request_id: str,
        function_name: str,
        timeout: float,
    ) -> None:
        self.connections = connections
        self.aws_request_id = aws_request_id
        self.function_name = function_name
        self._ends_at = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the gateway gives up; 0 when it has."""
        return max(0, int((self._ends_at - time.monotonic()) * 1000))
