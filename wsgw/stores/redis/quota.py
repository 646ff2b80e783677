"""Counters in Redis: exact over all nodes, forgotten by Redis itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link, Script

# In one script: a counter without its expiry would stay for ever.
_ADD = Script("""\
local used = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return used
""")
# The second key says that it was made: it lies in the first one's slot.
_ADD_ONCE = Script("""\
local used
if redis.call('SET', KEYS[2], '', 'NX', 'EX', ARGV[3]) then
    used = redis.call('INCRBY', KEYS[1], ARGV[1])
else
    used = tonumber(redis.call('GET', KEYS[1]) or '0')
end
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return used
""")
_ONCE_SECONDS = 86_400


class RedisQuota:
    """The sums of a cluster. An `add` that raises StoreUnavailable may have counted, if only its answer was lost."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def add(self, key: str, period: str, amount: int, expires: float, *, once: str = "") -> int:
        # Rounded up: what is still to be known must not go a second early.
        counter, until = self._keys.quota(key, period), int(-(-expires // 1))
        if not once:
            return int(await self._link.run(_ADD, [counter], [amount, until]))
        keys = [counter, self._keys.quota_once(key, once)]
        return int(await self._link.run(_ADD_ONCE, keys, [amount, until, _ONCE_SECONDS]))

    async def used(self, keys: Iterable[str], period: str) -> dict[str, int]:
        asked = list(keys)
        # One command each, in one pipeline: the counters of a Redis Cluster lie on different shards.
        sums = await asyncio.gather(*(self._link.send("GET", self._keys.quota(key, period)) for key in asked))
        try:
            return {key: int(total or 0) for key, total in zip(asked, sums, strict=True)}
        except ValueError as error:
            raise StoreUnavailable(f"a quota in Redis is no number: {str(error)[:100]}") from error
