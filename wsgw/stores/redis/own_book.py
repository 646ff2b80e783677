"""The book of this node, and how it is written anew when Redis may have forgotten it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

from wsgw.stores import values
from wsgw.stores.records import ConnectionRecord, Departure
from wsgw.stores.redis.book import RedisBook
from wsgw.stores.redis.counts import Counts
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.registry_scripts import OPEN, OWED

_CHUNK = 500
#: A connection is entered before its node holds it: for so long, at least, that is no reason to remove it.
_FRESH_SECONDS = 30


class OwnBook(RedisBook):
    """Guarded by the node's lease."""

    def __init__(self, link: Link, keys: Keys, node: str, token: str, counts: Counts, now: Callable[[], float]) -> None:
        super().__init__(link, keys, node, keys.lease(node), token, counts)
        self._now = now
        self._deferred: dict[str, Departure] = {}
        self._fresh: dict[str, None] = {}
        self._older: dict[str, None] = {}
        self._fresh_since = now()
        #: While it is written anew: who has left meanwhile.
        self._left: set[str] | None = None

    def enter(self, record: ConnectionRecord) -> Awaitable[bool]:
        if not self.lost:
            self._fresh[record.id] = None
        return super().enter(record)

    def leave(self, connection_id: str) -> None:
        self._forget(connection_id)
        if self.stalled and not self._under_way:
            # The book will be written anew: whoever is in it and is not held goes then.
            self._unwritten.pop(connection_id, None)
        else:
            super().leave(connection_id)

    def defer(self, departure: Departure) -> None:
        self._forget(departure.connection.id)
        if not self.lost:
            self._deferred[departure.connection.id] = departure
        super().defer(departure)

    def _forget(self, connection_id: str) -> None:
        self._deferred.pop(connection_id, None)
        self._fresh.pop(connection_id, None)
        self._older.pop(connection_id, None)
        if self._left is not None:
            self._left.add(connection_id)

    def age(self) -> None:
        """Called with each tick: what was entered long ago is held by now, or has left."""
        if self._now() - self._fresh_since >= _FRESH_SECONDS:
            self._fresh_since = self._now()
            self._fresh, self._older = {}, self._fresh

    async def write_anew(self, held: Iterable[ConnectionRecord]) -> bool:
        """Make Redis hold what is `held`, what is deferred, and nothing else; False if it is away again.

        `held` is read bit by bit while connections come and go. Raises StoreUnavailable.
        """
        left: set[str] = set()
        self._left = left
        kept: set[str] = set()
        self.resume()
        try:
            for id, departure in list(self._deferred.items()):
                if id in self._deferred and id not in self._unwritten:
                    self._say(id, OWED, values.encoded(departure))
            if not await self.drained():
                return False
            records = iter(held)
            while chunk := list(islice(records, _CHUNK)):
                for record in chunk:
                    kept.add(record.id)
                    if not (record.id in left or record.id in self._unwritten or record.id in self._deferred):
                        self._say(record.id, OPEN, values.encoded(record))
                if not await self.drained():
                    return False
            await self._remove_others(kept, left)
        finally:
            self._left = None
        return True

    async def _remove_others(self, kept: set[str], left: set[str]) -> None:
        """A write that Redis lost may have been the one that took a connection out."""
        async for id, _ in self._fields(OPEN):
            text = id.decode("ascii", "replace")
            if not (text in self._fresh or text in self._older or (text in kept and text not in left)):
                await self._remove(OPEN, id, garbage=False)
        async for id, _ in self._fields(OWED):
            if id.decode("ascii", "replace") not in self._deferred:
                await self._remove(OWED, id, garbage=False)
