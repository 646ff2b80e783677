"""Token buckets that all nodes share. The arithmetic runs in Redis (bucket.lua), on Redis's clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from wsgw.definitions.access import ThrottleSettings
from wsgw.stores.base import Throttle
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link, Script
from wsgw.stores.redis.refusals import Refusals

BUCKET = Script(Path(__file__).with_name("bucket.lua").read_text(encoding="utf-8"))


async def one_by_one(buckets: Throttle, wanted: Sequence[tuple[str, ThrottleSettings]]) -> int:
    """`Throttle.take_each` of `buckets`, by its `take`."""
    for index, (key, limit) in enumerate(wanted):
        if not await buckets.take(key, limit):
            return index
    return len(wanted)


class RedisThrottle:
    """Exact: each token is taken from Redis. It is not asked while a bucket is known to be empty.

    A bucket without a rate (`rate_limit` 0) is full again when nobody has wanted a token of it for 30 days.
    """

    def __init__(self, link: Link, keys: Keys, now: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._keys = keys
        self._now = now
        self._refusals = Refusals()

    async def take(self, key: str, limit: ThrottleSettings) -> bool:
        asked = self._now()
        if self._empty(key, limit, asked):
            return False
        arguments = (repr(float(limit.rate_limit)), limit.burst_limit, 1)
        taken, wait = await self._link.run(BUCKET, (self._keys.throttle(key),), arguments)
        self._refusals.add(key, limit, asked, wait)
        return bool(taken)

    async def take_each(self, wanted: Sequence[tuple[str, ThrottleSettings]]) -> int:
        if self._link.sharded:
            # Each bucket may lie on another shard, and the later ones must not be touched if an earlier one refuses.
            return await one_by_one(self, wanted)
        asked = self._now()
        most = next((index for index, one in enumerate(wanted) if self._empty(*one, asked)), len(wanted))
        if not most:
            return 0
        keys: list[str] = []
        arguments: list[str | int] = []
        for key, limit in wanted[:most]:
            keys.append(self._keys.throttle(key))
            arguments += (repr(float(limit.rate_limit)), limit.burst_limit, 1)
        found = await self._link.run(BUCKET, keys, arguments)
        for index, (taken, wait) in enumerate(zip(found[::2], found[1::2], strict=True)):
            self._refusals.add(*wanted[index], asked, wait)
            if not taken:
                return index
        return most

    def _empty(self, key: str, limit: ThrottleSettings, now: float) -> bool:
        return limit.burst_limit < 1 or self._refusals.hold(key, limit, now)
