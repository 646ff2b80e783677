"""Counters of one process: they end with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable


class MemoryQuota:
    """Sums of this process. `now` gives epoch seconds.

    What has expired is forgotten whenever there are twice as many sums as after the last time.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._sums: dict[tuple[str, str], tuple[int, float]] = {}  # (key, period): (sum, expires)
        self._look_at = 1024

    async def add(self, key: str, period: str, amount: int, expires: float, *, once: str = "") -> int:
        # `once` is for those who may not have heard the answer: here it is always given.
        if len(self._sums) >= self._look_at:
            now = self._now()
            self._sums = {name: entry for name, entry in self._sums.items() if entry[1] > now}
            self._look_at = max(1024, 2 * len(self._sums))
        total = self._sums.get((key, period), (0, 0.0))[0] + amount
        self._sums[key, period] = (total, expires)
        return total

    async def used(self, keys: Iterable[str], period: str) -> dict[str, int]:
        return {key: self._sums.get((key, period), (0, 0.0))[0] for key in keys}
