"""The database of a data directory: one thread writes, one reads, and the event loop waits for neither.

It runs in WAL mode with `synchronous=NORMAL`: what was answered survives `kill -9` of the process; the last moments
before a power cut may be missing, the file is sound all the same.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from wsgw.stores.sqlite.layout import Unusable, examine, lay_out
from wsgw.stores.sqlite.worker import Job, Worker, connected, unavailable

FILE = "wsgw.sqlite"
#: Rows of one statement, at most; it takes up to 32,766 values.
_ROWS = 256

T = TypeVar("T")


class Database:
    """The database in `directory`, which is made if it is not there.

    serving: be the only process that serves from it; others may still write documents (`wsgw import`).
    """

    def __init__(self, directory: str | Path, *, serving: bool = True) -> None:
        self.directory = Path(directory)
        self._serving = serving
        self._lock: int | None = None
        self._writer: Worker | None = None
        self._reader: Worker | None = None

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
        self._writer = Worker(file, str(self.directory), "wsgw-sqlite-writer", writes=True)
        self._reader = Worker(file, str(self.directory), "wsgw-sqlite-reader", writes=False)

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

    def _queue(self, worker: Worker | None, job: Job) -> asyncio.Future[Any]:
        if worker is None:
            done = asyncio.get_running_loop().create_future()
            done.set_exception(unavailable("it is closed"))
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
            database = connected(file)
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
