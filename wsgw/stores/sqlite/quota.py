"""Counters in the data directory: summed in memory, written in one batch a second at most."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress

from wsgw.errors import StoreUnavailable
from wsgw.stores.memory_quota import MemoryQuota
from wsgw.stores.sqlite.database import Database, many

_EVERY = 1.0
_CLEAN_EVERY = 3600.0
_UPSERT = "ON CONFLICT DO UPDATE SET used = excluded.used, expires = excluded.expires"


class SqliteQuota(MemoryQuota):
    """The sums of one data directory, whole in memory; `open` reads what earlier runs counted.

    The process killed: what was counted in its last second, and in the batch that was being written, is not there next
    time. Ended with `close`: nothing is lost. While the disk takes nothing, counting goes on in memory and all of it is
    written once the disk works again. `now` gives epoch seconds.
    """

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        super().__init__(now)
        self._database = database
        self._dirty: set[tuple[str, str]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self._clean_at = 0.0

    async def open(self) -> None:
        """Raises StoreUnavailable."""
        query = "SELECT key, period, used, expires FROM quota WHERE expires > ?"
        rows = await self._database.read(lambda database: database.execute(query, (self._now(),)).fetchall())
        self._sums = {(key, period): (used, expires) for key, period, used, expires in rows}

    async def add(self, key: str, period: str, amount: int, expires: float, *, once: str = "") -> int:
        total = await super().add(key, period, amount, expires)
        self._dirty.add((key, period))
        self._arm()
        return total

    async def close(self) -> None:
        """Write what is not written yet; that it could not be is in the log."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._dirty:
            with suppress(StoreUnavailable):
                await self._database.write(self._batch())

    def _arm(self) -> None:
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._flush)

    def _flush(self) -> None:
        self._timer = None
        names = set(self._dirty)
        self._writing = self._database.write(self._batch())
        self._writing.add_done_callback(lambda done: self._written(done, names))

    def _batch(self) -> Callable[[sqlite3.Connection], None]:
        """A job that writes every sum that changed, as it is now; they count as written."""
        rows = [(*name, *self._sums[name]) for name in self._dirty if name in self._sums]
        self._dirty.clear()
        now = self._now()
        clean = now >= self._clean_at
        if clean:
            self._clean_at = now + _CLEAN_EVERY

        def job(database: sqlite3.Connection) -> None:
            many(database, "INSERT INTO quota VALUES", "(?, ?, ?, ?)", rows, _UPSERT)
            if clean:
                database.execute("DELETE FROM quota WHERE expires <= ?", (now,))

        return job

    def _written(self, done: asyncio.Future[None], names: set[tuple[str, str]]) -> None:
        self._writing = None
        if isinstance(done.exception(), StoreUnavailable):
            self._dirty |= names
        if self._dirty:
            self._arm()
