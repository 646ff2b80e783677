"""Documents in Redis: a hash for each kind, and one revision, all in one slot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link, Script

#: Documents fetched by one command: an answer of many megabytes would use up the deadline of all that wait behind it.
_AT_ONCE = 50
_ATTEMPTS = 5
#: No definition is as large: what somebody else put there does not travel.
MOST_BYTES = 16 << 20

# The revision first: if it is no number, or its key of another type, nothing has been written yet. Pairs of a name and
# a body, then names alone, ARGV[1] of the former: they are given one by one, as unpack() takes some thousands only.
_WRITE = Script("""\
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'hash' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE the documents are no hash')
end
local revision = redis.call('INCR', KEYS[1])
local pairs_end = 1 + 2 * ARGV[1]
for i = 2, pairs_end, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
for i = pairs_end + 1, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[i])
end
return revision
""")


class RedisDocuments:
    """The documents of a cluster. They have no expiry: whoever stored them deletes them.

    A `write` that raises StoreUnavailable may have been done all the same, if only its answer was lost.
    """

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def all(self, kind: str) -> dict[str, bytes]:
        # Read in pieces, and again if somebody wrote meanwhile: the result is of one revision.
        for _ in range(_ATTEMPTS):
            before = await self.revision()
            documents = await self._read(kind)
            if await self.revision() == before:
                return documents
        raise StoreUnavailable("the documents in Redis change all the time")

    async def write(self, kind: str, documents: Mapping[str, bytes | None]) -> int:
        kept = [(name, body) for name, body in documents.items() if body is not None]
        gone = [name for name, body in documents.items() if body is None]
        arguments: list[str | bytes | int | float] = [len(kept)]
        for pair in kept:
            arguments += pair
        arguments += gone
        keys = [self._keys.revision, self._keys.documents(kind)]
        return int(await self._link.run(_WRITE, keys, arguments))

    async def revision(self) -> int:
        # No more than a number has digits, whatever stands there.
        value = await self._link.send("GETRANGE", self._keys.revision, 0, 32)
        try:
            return int(value or 0)
        except ValueError:
            raise StoreUnavailable(
                f"{self._keys.revision} in Redis is no number: delete it, and import again"
            ) from None

    async def _read(self, kind: str) -> dict[str, bytes]:
        key = self._keys.documents(kind)
        names: list[bytes] = sorted(await self._link.send("HKEYS", key))
        documents: dict[str, bytes] = {}
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            lengths = await asyncio.gather(*(self._link.send("HSTRLEN", key, name) for name in some))
            if max(lengths) > MOST_BYTES:
                name = some[lengths.index(max(lengths))].decode(errors="replace")[:100]
                raise StoreUnavailable(f"{key} {name} in Redis is larger than any document: delete it")
            bodies = await self._link.send("HMGET", key, *some)
            documents.update(
                (name.decode(errors="replace"), body)
                for name, body in zip(some, bodies, strict=True)
                if body is not None
            )
        return documents
