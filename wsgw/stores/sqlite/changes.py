"""Changes of the registry on their way to the disk: the last word on each connection, one transaction after another."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from wsgw.stores.records import ConnectionRecord, Departure
from wsgw.stores.sqlite.database import Database, many
from wsgw.stores.values import encoded

#: Pause after a transaction that failed, seconds.
_AGAIN = 1.0


class _Open(NamedTuple):
    """Open. `new`: nothing of it is on the disk yet, so that forgetting it before it is written writes nothing."""

    node: str
    api_id: str
    stage: str
    record: bytes
    new: bool = True


class _Owed(NamedTuple):
    """Ended, and its `$disconnect` is owed."""

    node: str
    departure: bytes


#: None: nothing is known of the connection any more.
_Word = _Open | _Owed | None


class Changes:
    """Writes what became of connections, in the order in which it happened.

    While one transaction is written the next gathers, and holds one word for each connection: the last. What could not
    be written is tried again with what came after it, a second later; no more waits than was open before and is then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: dict[str, _Word] = {}
        self._waiting: list[asyncio.Future[bool]] = []
        self._in_flight: Mapping[str, _Word] | None = None
        self._planned: asyncio.Handle | None = None
        #: The last transaction failed: what is entered meanwhile is answered with False at once.
        self.failing = False
        #: Times that everything was written after all.
        self.recoveries = 0

    def enter(self, node: str, record: ConnectionRecord) -> asyncio.Future[bool]:
        """Gives whether it is on the disk; if not, it will be later."""
        self._pending[record.id] = _Open(node, record.api_id, record.stage, encoded(record))
        return self._answer()

    def leave(self, connection_id: str) -> None:
        word = self._pending.get(connection_id)
        if isinstance(word, _Open) and word.new and connection_id not in (self._in_flight or ()):
            del self._pending[connection_id]
            return
        self._pending[connection_id] = None
        self._plan()

    def defer(self, node: str, departure: Departure) -> None:
        self._pending[departure.connection.id] = _Owed(node, encoded(departure))
        self._plan()

    def written(self) -> asyncio.Future[bool]:
        """Gives, once all that happened so far has been tried, whether it is on the disk."""
        return self._answer()

    def stop(self) -> None:
        """Try nothing again."""
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None

    def _answer(self) -> asyncio.Future[bool]:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.failing:
            answer.set_result(False)
        else:
            self._waiting.append(answer)
        self._plan()
        return answer

    def _plan(self) -> None:
        # Not at once: all of this turn of the loop goes into one transaction.
        if self._planned is None and self._in_flight is None:
            self._planned = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._planned = None
        batch, self._pending = self._pending, {}
        waiting, self._waiting = self._waiting, []
        if not batch:
            # Nothing is left to write: whether the disk takes something again, the next entry will find out.
            self._works(True)
            _tell(waiting, True)
            return
        self._in_flight = batch
        done = self._database.write(lambda database: _write(database, batch))
        done.add_done_callback(lambda done: self._finished(done, batch, waiting))

    def _finished(
        self, done: asyncio.Future[None], batch: Mapping[str, _Word], waiting: list[asyncio.Future[bool]]
    ) -> None:
        self._in_flight = None
        self._works(not done.cancelled() and done.exception() is None)
        _tell(waiting, not self.failing)
        if not self.failing:
            if self._pending or self._waiting:
                self._flush()
            return
        _tell(self._waiting, False)
        self._waiting = []
        newer, self._pending = self._pending, dict(batch)
        for connection_id, word in newer.items():
            before = batch.get(connection_id)
            if word is None and isinstance(before, _Open) and before.new:
                del self._pending[connection_id]
            else:
                self._pending[connection_id] = word
        self._planned = asyncio.get_running_loop().call_later(_AGAIN, self._flush)

    def _works(self, works: bool) -> None:
        self.recoveries += works and self.failing
        self.failing = not works


def _tell(waiting: list[asyncio.Future[bool]], done: bool) -> None:
    for one in waiting:
        if not one.done():
            one.set_result(done)


def _write(database: sqlite3.Connection, batch: Mapping[str, _Word]) -> None:
    opened = [
        (id, word.node, word.api_id, word.stage, word.record) for id, word in batch.items() if isinstance(word, _Open)
    ]
    owed = [(id, word.node, word.departure) for id, word in batch.items() if isinstance(word, _Owed)]
    many(database, "INSERT OR REPLACE INTO open VALUES", "(?, ?, ?, ?, ?)", opened)
    many(database, "INSERT OR REPLACE INTO owed VALUES", "(?, ?, ?)", owed)
    closed = [(id,) for id, word in batch.items() if not isinstance(word, _Open)]
    gone = [(id,) for id, word in batch.items() if word is None]
    many(database, "DELETE FROM open WHERE id IN (", "?", closed, ")")
    many(database, "DELETE FROM owed WHERE id IN (", "?", gone, ")")
