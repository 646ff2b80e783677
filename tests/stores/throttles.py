"""Each Throttle on a clock that the test sets.

The clock of Redis cannot be set. There, time passes by moving all buckets back by as much: nothing else in it counts.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from wsgw.definitions.access import ThrottleSettings
from wsgw.stores.base import Throttle
from wsgw.stores.memory import MemoryThrottle
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link, Script
from wsgw.stores.redis.sliced import SlicedThrottle
from wsgw.stores.redis.throttle import RedisThrottle

# A bucket without a rate holds a count of tokens, which is far less than a time in microseconds.
_MOVE_BACK = Script("""
for _, key in ipairs(redis.call('KEYS', '*throttle:*')) do
    local full = tonumber(redis.call('GET', key))
    if full > 1e9 then redis.call('SET', key, string.format('%.17g', full - ARGV[1] * 1e6), 'KEEPTTL') end
end
""")


class Clocked:
    """A Throttle, and `pass_`, which lets time pass. `apart`: seconds of real time count too, a little."""

    def __init__(self, make: Callable[[Callable[[], float]], Throttle], link: Link | None = None) -> None:
        self._link = link
        self._shift = 1000.0
        self.apart = link is not None
        self.throttle = make(self.now)

    def now(self) -> float:
        return self._shift + (time.monotonic() if self.apart else 0)

    def take(self, key: str, limit: ThrottleSettings) -> Awaitable[bool]:
        return self.throttle.take(key, limit)

    def take_each(self, *wanted: tuple[str, ThrottleSettings]) -> Awaitable[int]:
        return self.throttle.take_each(wanted)

    async def pass_(self, seconds: float) -> None:
        self._shift += seconds
        if self._link is not None:
            await self._link.run(_MOVE_BACK, [], [repr(seconds)])


def in_memory() -> Clocked:
    return Clocked(MemoryThrottle)


def exact(link: Link) -> Clocked:
    return Clocked(lambda now: RedisThrottle(link, Keys("test"), now), link)


def sliced(link: Link, seconds: float = 0.1) -> Clocked:
    return Clocked(lambda now: SlicedThrottle(link, Keys("test"), seconds, now), link)
