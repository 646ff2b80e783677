"""Documents in the data directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from wsgw.stores.sqlite.database import Database


class SqliteDocuments:
    """The documents of one data directory; other processes may write to it at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, kind: str) -> dict[str, bytes]:
        query = "SELECT name, body FROM documents WHERE kind = ? ORDER BY name"
        return dict(await self._database.read(lambda database: database.execute(query, (kind,)).fetchall()))

    async def write(self, kind: str, documents: Mapping[str, bytes | None]) -> int:
        kept = [(kind, name, body) for name, body in documents.items() if body is not None]
        gone = [(kind, name) for name, body in documents.items() if body is None]

        def job(database: sqlite3.Connection) -> int:
            database.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", kept)
            database.executemany("DELETE FROM documents WHERE kind = ? AND name = ?", gone)
            database.execute("INSERT INTO revision VALUES (1, 1) ON CONFLICT DO UPDATE SET number = number + 1")
            return _revision(database)

        return await self._database.write(job)

    async def revision(self) -> int:
        return await self._database.read(_revision)


def _revision(database: sqlite3.Connection) -> int:
    row = database.execute("SELECT number FROM revision").fetchone()
    return int(row[0]) if row else 0
