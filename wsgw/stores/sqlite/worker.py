"""A thread that runs jobs on a connection of its own, and commits whatever has queued up as one transaction.

The more is written, the less each write costs.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from wsgw.errors import StoreUnavailable

log = logging.getLogger("wsgw")

#: Another process, such as `wsgw import`, may write at the same time: how long its transaction is waited for, seconds.
_BUSY = 5
_MOST_AT_ONCE = 1000

Job = Callable[[sqlite3.Connection], Any]


class _Queued(NamedTuple):
    job: Job
    done: asyncio.Future[Any]


class Worker:
    """Runs jobs on the database `file` in the order of the calls; `place` is what logs call it.

    What fails, fails with all that shares its transaction.
    """

    def __init__(self, file: Path, place: str, name: str, *, writes: bool) -> None:
        self._file = file
        self._place = place
        self._writes = writes
        self._failing = False
        self._jobs: SimpleQueue[_Queued | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def queue(self, job: Job) -> asyncio.Future[Any]:
        """Gives the job's result, once its transaction is committed. Raises StoreUnavailable (in the future)."""
        done = self._loop.create_future()
        self._jobs.put(_Queued(job, done))
        return done

    async def close(self) -> None:
        """Do what was queued, then end the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        database: sqlite3.Connection | None = None
        for batch in self._batches():
            results: list[Any] = []
            fault: StoreUnavailable | None = None
            try:
                if database is None:
                    database = connected(self._file)
                results = self._transaction(database, batch)
            except Exception as error:
                # A job's own fault fails its companions too: the transaction is all or nothing.
                fault = unavailable(str(error))
                fault.__cause__ = error
                self._say(error)
                database = _rolled_back(database)
            else:
                self._say(None)
            try:
                self._loop.call_soon_threadsafe(_settle, batch, results, fault)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                break
        if database is not None:
            database.close()

    def _batches(self) -> Iterator[list[_Queued]]:
        """What has queued up, again and again, until `close`."""
        while (first := self._jobs.get()) is not None:
            batch = [first]
            last = False
            try:
                while len(batch) < _MOST_AT_ONCE:
                    one = self._jobs.get_nowait()
                    if one is None:
                        last = True
                        break
                    batch.append(one)
            except Empty:
                pass
            yield batch
            if last:
                return

    def _transaction(self, database: sqlite3.Connection, batch: Sequence[_Queued]) -> list[Any]:
        # IMMEDIATE: a transaction that begins by reading could not wait for another process's writes later.
        database.execute("BEGIN IMMEDIATE" if self._writes else "BEGIN")
        results = [one.job(database) for one in batch]
        database.execute("COMMIT")
        return results

    def _say(self, error: Exception | None) -> None:
        """Log when the store begins to fail and when it works again, not each time."""
        if (error is not None) == self._failing:
            return
        self._failing = error is not None
        verb = "written" if self._writes else "read"
        if error is not None:
            known = isinstance(error, sqlite3.Error)
            log.error("the data directory %s cannot be %s: %s", self._place, verb, error, exc_info=not known)
        else:
            log.warning("the data directory %s can be %s again", self._place, verb)


def connected(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def _rolled_back(database: sqlite3.Connection | None) -> sqlite3.Connection | None:
    """The connection after a failed transaction; None if it is beyond use, and a new one is needed."""
    if database is None:
        return None
    try:
        if database.in_transaction:
            database.execute("ROLLBACK")
    except sqlite3.Error:
        database.close()
        return None
    return database


def unavailable(reason: str) -> StoreUnavailable:
    return StoreUnavailable(f"the data directory: {reason}")


def _settle(batch: Sequence[_Queued], results: Sequence[Any], fault: StoreUnavailable | None) -> None:
    for number, one in enumerate(batch):
        if one.done.done():
            continue
        if fault is None:
            one.done.set_result(results[number])
        else:
            one.done.set_exception(fault)
            # Whoever does not wait for it any more has not forgotten it by mistake.
            one.done.exception()
