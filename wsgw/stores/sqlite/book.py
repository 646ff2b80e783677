"""What one run of the gateway holds, or held, in the data directory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from wsgw.stores import values
from wsgw.stores.ready import NO
from wsgw.stores.records import ConnectionRecord, Departure
from wsgw.stores.sqlite.changes import Changes
from wsgw.stores.sqlite.database import Database

log = logging.getLogger("wsgw")

NODE_LOST = (1006, "Node lost")
_CHUNK = 200


class SqliteBook:
    """The book of `node`; satisfies `stores.base.Book`.

    `on_garbage` is told of each entry that cannot be read, which is then forgotten. `wall` gives epoch seconds.
    """

    def __init__(
        self,
        node: str,
        database: Database,
        changes: Changes,
        on_garbage: Callable[[], None],
        wall: Callable[[], float],
    ) -> None:
        self.node = node
        self.lost = False
        self._database = database
        self._changes = changes
        self._on_garbage = on_garbage
        self._wall = wall

    def enter(self, record: ConnectionRecord) -> Awaitable[bool]:
        if self.lost:
            return NO
        return self._changes.enter(self.node, record)

    def leave(self, connection_id: str) -> None:
        if not self.lost:
            self._changes.leave(connection_id)

    def defer(self, departure: Departure) -> None:
        if not self.lost:
            self._changes.defer(self.node, departure)

    async def departures(self) -> AsyncIterator[Departure]:
        ended_at = int(self._wall() * 1000)
        async for connection_id, packed in self._entries("owed", "departure"):
            if (departure := values.departure(connection_id.encode(), packed)) is not None:
                yield departure
            else:
                self._garbage(connection_id)
        async for connection_id, packed in self._entries("open", "record"):
            if (record := values.connection(connection_id.encode(), packed)) is not None:
                yield Departure(record, *NODE_LOST, ended_at)
            else:
                self._garbage(connection_id)

    async def close(self) -> None:
        await self._changes.written()
        self.lost = True

    async def _entries(self, table: str, column: str) -> AsyncIterator[tuple[str, bytes]]:
        """The node's rows, a chunk at a time: they may be many, and whoever works through them takes its time."""
        query = f"SELECT id, {column} FROM {table} WHERE node = ? AND id > ? ORDER BY id LIMIT ?"
        after = ""
        while True:
            rows = await self._database.read(partial(_rows, query=query, bound=(self.node, after, _CHUNK)))
            for row in rows:
                yield row
            if len(rows) < _CHUNK:
                return
            after = rows[-1][0]

    def _garbage(self, connection_id: str) -> None:
        log.warning("the entry of connection %s cannot be read; it is forgotten", connection_id)
        self._on_garbage()
        self.leave(connection_id)


def _rows(database: sqlite3.Connection, query: str, bound: tuple[str, str, int]) -> list[tuple[str, bytes]]:
    return database.execute(query, bound).fetchall()
