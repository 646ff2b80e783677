"""Stores of one process: nothing is shared, nothing survives it."""

from __future__ import annotations

import time
from collections.abc import Callable

from wsgw.definitions.access import ThrottleSettings


class MemoryThrottle:
    """Buckets of this process. `now` gives seconds and never goes back.

    At most `most` buckets are kept; beyond that those that are full again, which is what a new one is, are forgotten.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = 100_000) -> None:
        self._now = now
        self._most = most
        self._buckets: dict[str, tuple[float, float, float]] = {}  # key: (tokens, as of, full again at)

    async def take(self, key: str, limit: ThrottleSettings) -> bool:
        return self.take_now(key, limit)

    def take_now(self, key: str, limit: ThrottleSettings) -> bool:
        """`take` for a caller that cannot wait: memory needs no waiting."""
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._forget_full(now)
            tokens = float(limit.burst_limit)
        else:
            tokens = min(limit.burst_limit, bucket[0] + (now - bucket[1]) * limit.rate_limit)
        allowed = tokens >= 1
        tokens -= allowed
        missing = limit.burst_limit - tokens
        full_at = now + missing / limit.rate_limit if limit.rate_limit > 0 else float("inf")
        self._buckets[key] = (tokens, now, full_at)
        return allowed

    def _forget_full(self, now: float) -> None:
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket[2] > now}
