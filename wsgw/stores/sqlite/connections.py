"""The registry of one process that survives it: who was connected when it died is told after the next start.

There is one node at a time; the books of former runs are the orphans. Nobody fences a node here: the directory's lock
keeps a second one out.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable

from wsgw import ids
from wsgw.stores.base import Book, Page
from wsgw.stores.records import ConnectionRecord
from wsgw.stores.sqlite.book import SqliteBook
from wsgw.stores.sqlite.changes import Changes
from wsgw.stores.sqlite.database import Database
from wsgw.stores.values import connection

log = logging.getLogger("wsgw")


class SqliteConnections:
    """The books of one data directory; satisfies `stores.base.Connections`.

    What could not be written is remembered and written once the disk takes it, so that nobody asks `held`, and
    `on_fenced` is never called. `garbage` counts entries that could not be read. `wall` gives epoch seconds.
    """

    def __init__(self, database: Database, wall: Callable[[], float] = time.time) -> None:
        self.on_orphaned: Callable[[Book], None] = lambda book: None
        self.on_fenced: Callable[[], None] = lambda: None
        self.held: Callable[[], Iterable[ConnectionRecord]] = tuple
        self.garbage = 0
        self._database = database
        self._wall = wall
        self._changes = Changes(database)
        self._orphans: list[asyncio.Handle] = []
        #: This node's; until it has joined, one that nothing is written to.
        self.own = self._book("")
        self.own.lost = True

    @property
    def resyncs(self) -> int:
        """Times that what could not be written was written after all."""
        return self._changes.recoveries

    async def join(self) -> str:
        former = [row[0] for row in await self._database.read(_nodes)]
        name = ids.node_name()
        # A name anew would mix this run's connections with those of a former one.
        while name in former:
            name = ids.node_name()
        self.own = self._book(name)
        loop = asyncio.get_running_loop()
        self._orphans = [loop.call_soon(self._hand_out, self._book(node)) for node in former]
        return name

    async def rejoin(self) -> str:
        """Gives the name that the node has: nobody takes it away."""
        return self.own.node

    async def page(self, cursor: str, limit: int, api_id: str | None = None, stage: str | None = None) -> Page:
        query = "SELECT id, record FROM open WHERE node = ? AND id > ?"
        values: list[str | int] = [self.own.node, cursor]
        for column, wanted in (("api_id", api_id), ("stage", stage)):
            if wanted is not None:
                query += f" AND {column} = ?"
                values.append(wanted)
        query += " ORDER BY id LIMIT ?"
        values.append(limit)
        rows = await self._database.read(lambda database: database.execute(query, values).fetchall())
        records = []
        for connection_id, packed in rows:
            if (record := connection(connection_id.encode(), packed)) is not None:
                records.append(record)
            else:
                self._count_garbage()
                log.warning("the entry of connection %s cannot be read", connection_id)
        return Page(records, rows[-1][0] if rows and len(rows) >= limit else "")

    async def close(self) -> None:
        for handle in self._orphans:
            handle.cancel()
        await self._changes.written()
        self._changes.stop()
        self.own.lost = True

    def _book(self, node: str) -> SqliteBook:
        return SqliteBook(node, self._database, self._changes, self._count_garbage, self._wall)

    def _hand_out(self, book: SqliteBook) -> None:
        self.on_orphaned(book)

    def _count_garbage(self) -> None:
        self.garbage += 1


def _nodes(database: sqlite3.Connection) -> list[tuple[str]]:
    return database.execute("SELECT node FROM open UNION SELECT node FROM owed").fetchall()
