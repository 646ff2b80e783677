"""One node's book in Redis: what to write, in batches and again until it is written, and how to read it.

A book says of each connection one of three things: open, owed, gone. What is not written yet is a dict of those, the
last word for each connection; writing it twice, or once more after a time-out, changes nothing. One batch is under way
at a time: what comes meanwhile goes with the next, so that writes take effect in the order of the calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice
from typing import Any

from wsgw.stores import values
from wsgw.stores.ready import NO
from wsgw.stores.records import ConnectionRecord, Departure
from wsgw.stores.redis.counts import Counts
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.registry_scripts import GONE, OPEN, OWED, REMOVE, SCAN, WRITE

_BATCH = 500
_SCAN_COUNT = 200

#: What to write of one connection, and who waits for it.
Word = tuple[bytes, bytes, "asyncio.Future[bool] | None"]


class RedisBook:
    """A book, as long as the key `guard` begins with `token`.

    `stalled`: nothing is written for now; what is said meanwhile is kept until `resume`. `on_stalled` is called when a
    write did not go through: Redis is away, or the guard names somebody else.
    """

    def __init__(self, link: Link, keys: Keys, node: str, guard: str, token: str, counts: Counts) -> None:
        self.node = node
        self.lost = False
        self.stalled = False
        self.on_stalled: Callable[[], None] = lambda: None
        self._link = link
        self._counts = counts
        self._keys = (guard, keys.open(node), keys.owed(node))
        self._token = token
        self._unwritten: dict[str, Word] = {}
        self._under_way = False
        self._due = False
        self._drained: list[asyncio.Future[bool]] = []

    # ---- what is said of connections

    def enter(self, record: ConnectionRecord) -> Awaitable[bool]:
        if self.lost:
            return NO
        if self.stalled:
            self._counts.entered_late += 1
            self._say(record.id, OPEN, values.encoded(record))
            return NO
        written = asyncio.get_running_loop().create_future()
        self._say(record.id, OPEN, values.encoded(record), written)
        return written

    def leave(self, connection_id: str) -> None:
        if not self.lost:
            self._say(connection_id, GONE, b"")

    def defer(self, departure: Departure) -> None:
        if not self.lost:
            self._say(departure.connection.id, OWED, values.encoded(departure))

    def lose(self) -> None:
        """It is somebody else's, or done with: what is unwritten stays so."""
        self.lost = True
        self.stall()
        self._unwritten.clear()

    # ---- writing

    def _say(self, id: str, kind: bytes, value: bytes, written: asyncio.Future[bool] | None = None) -> None:
        said = self._unwritten.get(id)
        if said is not None:
            _answer(said[2], False)
        self._unwritten[id] = (kind, value, written)
        if not (self._due or self._under_way or self.stalled):
            # Whatever else is said in this turn of the loop goes in the same batch.
            self._due = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._due = False
        if self._under_way or self.stalled:
            return
        if not self._unwritten:
            self._answer_drained(True)
            return
        if len(self._unwritten) <= _BATCH:
            batch, self._unwritten = self._unwritten, {}
        else:
            batch = {id: self._unwritten[id] for id in islice(self._unwritten, _BATCH)}
            for id in batch:
                del self._unwritten[id]
        arguments: list[str | bytes | int | float] = [self._token]
        for id, (kind, value, _) in batch.items():
            arguments += (kind, id, value)
        self._under_way = True
        self._link.run(WRITE, self._keys, arguments).add_done_callback(lambda done: self._wrote(batch, done))

    def _wrote(self, batch: dict[str, Word], done: asyncio.Future[Any]) -> None:
        self._under_way = False
        if not done.cancelled() and done.exception() is None and done.result() == 1:
            for _, _, written in batch.values():
                _answer(written, True)
            self._write()
            return
        # What was said of a connection since is newer; what of others, no matter in which order.
        self._unwritten = {} if self.lost else {**batch, **self._unwritten}
        for _, _, written in batch.values():
            self._late(written)
        self.stall()
        self.on_stalled()

    def stall(self) -> None:
        """Write nothing until `resume`: Redis is away, or the guard has to be looked at first."""
        self.stalled = True
        for id, (kind, value, written) in self._unwritten.items():
            if written is not None:
                self._late(written)
                self._unwritten[id] = (kind, value, None)
        self._answer_drained(False)

    def resume(self) -> None:
        """Write again. Nothing is, when the book is lost."""
        if not self.lost:
            self.stalled = False
            self._write()

    def drained(self) -> asyncio.Future[bool]:
        """True once all that was said is written; False when it cannot be for now."""
        drained = asyncio.get_running_loop().create_future()
        if self.stalled:
            drained.set_result(False)
        else:
            self._drained.append(drained)
            if not (self._due or self._under_way):
                self._write()
        return drained

    def _late(self, written: asyncio.Future[bool] | None) -> None:
        if written is not None and not written.done():
            self._counts.entered_late += 1
            written.set_result(False)

    def _answer_drained(self, value: bool) -> None:
        waiting, self._drained = self._drained, []
        for drained in waiting:
            _answer(drained, value)

    # ---- reading

    async def departures(self) -> AsyncIterator[Departure]:
        seen: set[bytes] = set()
        async for id, value in self._fields(OWED):
            if id in seen or self._is_gone(id):
                continue
            owed = values.departure(id, value)
            if owed is None:
                await self._remove(OWED, id)
                continue
            seen.add(id)
            yield owed
        async for id, value in self._fields(OPEN):
            if id in seen or self._is_gone(id):
                continue
            record = values.connection(id, value)
            if record is None:
                await self._remove(OPEN, id)
                continue
            seen.add(id)
            yield Departure(record, 1006, "Node lost", int(time.time() * 1000))

    async def close(self) -> None:
        """Write what is unwritten, if that can be, and nothing more."""
        await self.drained()
        self.lose()

    async def _fields(self, kind: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
        """All fields, and values, of the open or the owed; one may come twice. Values beyond all bounds are removed."""
        key = self._hash(kind)
        cursor = b"0"
        while not self.lost:
            found = await self._link.run(SCAN, [key], [cursor, _SCAN_COUNT, values.MOST_BYTES])
            cursor = found[0]
            self._counts.garbage += found[1]
            for at in range(2, len(found), 2):
                yield found[at], found[at + 1]
            if cursor == b"0":
                return

    async def _remove(self, kind: bytes, id: bytes, garbage: bool = True) -> None:
        """Take out of the open or the owed what does not belong there."""
        self._counts.garbage += garbage
        await self._link.run(REMOVE, (self._keys[0], self._hash(kind)), [self._token, id])

    def _hash(self, kind: bytes) -> str:
        return self._keys[1] if kind == OPEN else self._keys[2]

    def _is_gone(self, id: bytes) -> bool:
        said = self._unwritten.get(id.decode("ascii", "replace"))
        return said is not None and said[0] == GONE


def _answer(waiting: asyncio.Future[bool] | None, value: bool) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(value)
