"""The database of a data directory: one thread writes, one reads, and the event loop waits for neither.

The writer commits whatever has queued up meanwhile as one transaction, so that the more is written the less each
write costs. It runs in WAL mode with `synchronous=NORMAL`: what was answered survives `kill -9` of the process; the
last moments before a power cut may be missing, the file is sound all the same.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from wsgw.errors import StoreUnavailable
from wsgw.stores.sqlite.layout import Unusable, examine, lay_out

log = logging.getLogger("wsgw")

FILE = "wsgw.sqlite"
#: Another process, such as `wsgw import`, may write at the same time: how long its transaction is waited for, seconds.
_BUSY = 5
_MOST_AT_ONCE = 1000
#: A statement takes up to 32,766 values; two sizes of it, prepared once, serve any number of rows.
_ROWS = 256

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]


class _Queued(NamedTuple):
    job: Job
    done: asyncio.Future[Any]


class Database:
    """The database in `directory`, which is made if it is not there.

    serving: be the only process that serves from it; others may still write documents (`wsgw import`).
    """

    def __init__(self, directory: str | Path, *, serving: bool = True) -> None:
        self.directory = Path(directory)
        self._serving = serving
        self._lock: int | None = None
        self._writer: _Worker | None = None
        self._reader: _Worker | None = None

    async def open(self) -> None:
        """Raises Unusable: somebody else serves from the directory, it cannot be written, or what is there is not ours.

        A file that is damaged or foreign is left as it is.
        """
        try:
            await asyncio.to_thread(self._prepare)
        except BaseException:
            self._unlock()
            raise
        file = self.directory / FILE
        self._writer = _Worker(file, str(self.directory), "wsgw-sqlite-writer", writes=True)
        self._reader = _Worker(file, str(self.directory), "wsgw-sqlite-reader", writes=False)

    def write(self, job: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `job` in the next transaction; its result when that is committed. The jobs run in the order of the calls.

        Raises StoreUnavailable (in the future): nothing of the transaction was written.
        """
        return self._queue(self._writer, job)

    def read(self, job: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `job`, which only reads, beside the writer; it sees what was committed. Raises StoreUnavailable."""
        return self._queue(self._reader, job)

    async def close(self) -> None:
        """Write what was queued, then let go of the directory."""
        for worker in (self._writer, self._reader):
            if worker is not None:
                await worker.close()
        self._writer = self._reader = None
        self._unlock()

    def _queue(self, worker: _Worker | None, job: Job) -> asyncio.Future[Any]:
        if worker is None:
            done = asyncio.get_running_loop().create_future()
            done.set_exception(_unavailable("it is closed"))
            done.exception()
            return done
        return worker.queue(job)

    def _prepare(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._serving:
                self._take_lock()
            file = self.directory / FILE
            examine(file)
            # Made here, not by SQLite, which would leave it to the umask who may read the secrets in it.
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            database = _connected(file)
            try:
                database.execute("PRAGMA journal_mode = WAL")
                lay_out(database)
            finally:
                database.close()
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise Unusable(f"the data directory {self.directory} cannot be used: {reason}") from error

    def _take_lock(self) -> None:
        self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode(errors="replace").strip()
            raise Unusable(
                f"the data directory {self.directory} is in use by another gateway (process {holder or 'unknown'}): "
                "stop it, name another directory, or share a Redis with --redis"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _Worker:
    """A thread with a connection of its own that runs queued jobs, many in one transaction."""

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
        done = self._loop.create_future()
        self._jobs.put(_Queued(job, done))
        return done

    async def close(self) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        database: sqlite3.Connection | None = None
        for batch in self._batches():
            results: list[Any] = []
            fault: StoreUnavailable | None = None
            try:
                if database is None:
                    database = _connected(self._file)
                results = self._transaction(database, batch)
            except Exception as error:
                # A job's own fault fails its companions too: the transaction is all or nothing.
                fault = _unavailable(str(error))
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


def many(database: sqlite3.Connection, head: str, row: str, rows: Sequence[Sequence[Any]], tail: str = "") -> None:
    """Run `head`, `row` once for each of `rows`, `tail` as few statements.

    sqlite3 lets go of the interpreter for each statement and has to ask for it again, which takes milliseconds beside a
    busy event loop: measured there, 800 rows/s one by one (executemany), 4,300 with 200 a statement; idle 40,000.
    """
    for start in range(0, len(rows), _ROWS):
        chunk = rows[start : start + _ROWS]
        # Few different texts, so that sqlite3 finds them prepared: full ones, then powers of two.
        while chunk:
            size = 1 << (len(chunk).bit_length() - 1)
            text = f"{head} {', '.join([row] * size)} {tail}"
            database.execute(text, [value for one in chunk[:size] for value in one])
            chunk = chunk[size:]


def _connected(file: Path) -> sqlite3.Connection:
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


def _unavailable(reason: str) -> StoreUnavailable:
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
