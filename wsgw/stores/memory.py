"""Stores of one process: nothing is shared, nothing survives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice

from wsgw.definitions.access import ThrottleSettings
from wsgw.stores.bucket import Bucket


class MemoryThrottle:
    """Buckets of this process. `now` gives seconds and never goes back.

    At most `most` buckets are kept. Beyond that those that are full again, which is what a new one is, are forgotten;
    if that is not enough, those from which nobody has taken for the longest time: callers make up addresses, and all
    that they win with it is another bucket for the address before.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = 100_000) -> None:
        self._now = now
        self._most = most
        self._buckets: dict[str, Bucket] = {}  # those asked for last stand last

    async def take(self, key: str, limit: ThrottleSettings) -> bool:
        return self.take_now(key, limit)

    async def take_each(self, wanted: Sequence[tuple[str, ThrottleSettings]]) -> int:
        now = self._now()
        for index, (key, limit) in enumerate(wanted):
            if not self._take(key, limit, now):
                return index
        return len(wanted)

    def take_now(self, key: str, limit: ThrottleSettings) -> bool:
        """`take` for a caller that cannot wait: memory needs no waiting."""
        return self._take(key, limit, self._now())

    def _take(self, key: str, limit: ThrottleSettings, now: float) -> bool:
        bucket = self._buckets.pop(key, None)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._make_room(now)
            bucket = Bucket(limit, now)
        self._buckets[key] = bucket
        return bucket.take(limit, now)

    def _make_room(self, now: float) -> None:
        """Room for a tenth more, at least: a flood of new keys looks through all once for each tenth of them."""
        kept = {key: bucket for key, bucket in self._buckets.items() if bucket.full_at > now}
        for key in list(islice(kept, max(0, len(kept) - self._most * 9 // 10))):
            del kept[key]
        self._buckets = kept
