"""The registry of a single process: one book, which ends with it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from heapq import nsmallest

from wsgw import ids
from wsgw.stores.base import Book, Page
from wsgw.stores.ready import NO, YES
from wsgw.stores.records import ConnectionRecord, Departure


class MemoryBook:
    """Dicts. Nobody takes them over: a process that dies takes its book with it."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.lost = False
        self.open: dict[str, ConnectionRecord] = {}
        self._deferred: dict[str, Departure] = {}

    def enter(self, record: ConnectionRecord) -> Awaitable[bool]:
        if self.lost:
            return NO
        self.open[record.id] = record
        return YES

    def leave(self, connection_id: str) -> None:
        if not self.lost:
            self.open.pop(connection_id, None)
            self._deferred.pop(connection_id, None)

    def defer(self, departure: Departure) -> None:
        if not self.lost:
            self.open.pop(departure.connection.id, None)
            self._deferred[departure.connection.id] = departure

    async def departures(self) -> AsyncIterator[Departure]:
        for departure in list(self._deferred.values()):
            yield departure
        ended_at = int(time.time() * 1000)
        for record in list(self.open.values()):
            yield Departure(record, 1006, "Node lost", ended_at)

    async def close(self) -> None:
        self.lost = True


class MemoryConnections:
    """The registry where one process is the whole cluster."""

    own: MemoryBook

    def __init__(self) -> None:
        self.on_orphaned: Callable[[Book], None] = lambda book: None
        self.on_fenced: Callable[[], None] = lambda: None
        self.held: Callable[[], Iterable[ConnectionRecord]] = lambda: ()

    async def join(self) -> str:
        self.own = MemoryBook(ids.node_name())
        return self.own.node

    async def rejoin(self) -> str:
        self.own.lost = True
        return await self.join()

    async def page(self, cursor: str, limit: int, api_id: str | None = None, stage: str | None = None) -> Page:
        """In the order of the ids: whatever comes and goes meanwhile, nobody who stays is passed over."""
        after = (
            record
            for record in self.own.open.values()
            if record.id > cursor and api_id in (None, record.api_id) and stage in (None, record.stage)
        )
        records = nsmallest(limit, after, key=lambda record: record.id)
        return Page(records, records[-1].id if len(records) == limit else "")

    async def close(self) -> None:
        await self.own.close()
