"""Values that all nodes share for a while, in groups that can be emptied as a whole.

A group has a generation, any eight bytes, and every entry begins with the one that it was written in. To forget a group
is to delete its generation: what was written before matches none that comes after, and Redis drops it when its time is
over. So nothing is ever searched for, and a generation that Redis evicts costs the group, no more.
"""

from __future__ import annotations

import os
from hashlib import blake2b

from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link, Script

_GENERATION = 8
# A year: a client library takes no expiry that is too far away to be a time.
_LONGEST_MS = 365 * 86_400_000

# Whatever is there and is no generation makes way for one, so that nobody can put the cache out of order for good. It
# lives as long as the longest-lived entry: were it gone before, what it has flushed would still be so.
_PUT = Script("""\
local generation = redis.pcall('GET', KEYS[1])
if type(generation) ~= 'string' or #generation ~= 8 then
    generation = ARGV[1]
    redis.call('SET', KEYS[1], generation, 'PX', ARGV[3])
elseif redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
redis.call('SET', KEYS[2], generation .. ARGV[2], 'PX', ARGV[3])
""")

# MGET gives nothing for a key of another type, where GET would fail.
_TAKE = Script("""\
local found = redis.call('MGET', KEYS[1], KEYS[2])
redis.call('DEL', KEYS[2])
return found
""")


class RedisCache:
    """The cache of a cluster. Redis sees digests of the keys only: callers' tokens stand in them.

    All of a group lies on one shard. A `put` or `take` that raises StoreUnavailable may have been done all the same, if
    only its answer was lost.
    """

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def get(self, group: str, key: str) -> bytes | None:
        return _current(await self._link.send("MGET", *self._names(group, key)))

    async def put(self, group: str, key: str, value: bytes, seconds: float) -> None:
        milliseconds = min(int(seconds * 1000), _LONGEST_MS)
        if milliseconds < 1:
            await self._link.send("DEL", self._keys.cached(group, _digest(key)))
            return
        await self._link.run(_PUT, self._names(group, key), (os.urandom(_GENERATION), value, milliseconds))

    async def take(self, group: str, key: str) -> bytes | None:
        return _current(await self._link.run(_TAKE, self._names(group, key), ()))

    async def flush(self, group: str) -> None:
        await self._link.send("DEL", self._keys.generation(group))

    def _names(self, group: str, key: str) -> tuple[str, str]:
        return self._keys.generation(group), self._keys.cached(group, _digest(key))


def _digest(key: str) -> str:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _current(found: list[bytes | None]) -> bytes | None:
    """The value of an entry that was written in the group's generation."""
    generation, entry = found
    if generation is None or entry is None or len(generation) != _GENERATION or not entry.startswith(generation):
        return None
    return entry[_GENERATION:]
