"""Requests counted by what they have in common, over a window that slides, and summed over the cluster.

A window's count is that of the span of time we are in, and of the one before as far as the window reaches back into it:
as if its requests had come evenly. What is counted is decided on here, at once; `share` tells the other nodes later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from wsgw.errors import StoreUnavailable
from wsgw.observe.metrics import count
from wsgw.stores.base import Quota

Key = tuple[bytes, ...]

#: Keys that are counted at once by one rule; beyond, those that were seen least are forgotten.
MOST_KEYS: Final = 10_000
#: A key is told to others once it has one in so many of the limit here.
SHARED_FROM: Final = 50
#: Keys that are told in one go, and at once.
_MOST_TOLD: Final = 1_000
_AT_ONCE: Final = 50


class Rate:
    """The counts of one rule. `name` is the same on all nodes; `now` gives epoch seconds."""

    __slots__ = (
        "__weakref__",
        "_before",
        "_changed",
        "_counts",
        "_elsewhere",
        "_now",
        "_span",
        "_told",
        "limit",
        "name",
        "window",
    )

    def __init__(self, name: str, limit: int, window: int, now: Callable[[], float]) -> None:
        self.name = name
        self.limit = limit
        self.window = window
        self._now = now
        self._span = int(now() // window)
        self._counts: dict[Key, int] = {}
        self._elsewhere: dict[Key, int] = {}
        self._before: dict[Key, int] = {}
        self._told: dict[Key, int] = {}
        self._changed: set[Key] = set()

    def __len__(self) -> int:
        return len(self._counts)

    def exceeded(self, key: Key) -> bool:
        """Count a request; whether there are more than `limit` with it."""
        now = self._now()
        span = int(now // self.window)
        if span != self._span:
            self._turn(span)
        counts = self._counts
        here = counts.get(key, 0) + 1
        if here == 1 and len(counts) >= MOST_KEYS:
            self._forget()
        counts[key] = here
        self._changed.add(key)
        total = here + self._elsewhere.get(key, 0)
        if total <= self.limit:
            before = self._before.get(key)
            if before is None:
                return False
            total += int(before * (1 - now / self.window + span))
        return total > self.limit

    def _turn(self, span: int) -> None:
        before: dict[Key, int] = {}
        if span == self._span + 1:
            before = self._counts
            for key, elsewhere in self._elsewhere.items():
                before[key] = before.get(key, 0) + elsewhere
        self._before = before
        self._counts, self._elsewhere, self._told = {}, {}, {}
        self._changed.clear()
        self._span = span

    def _forget(self) -> None:
        """Forget a quarter of the keys, those with the fewest requests: whoever comes often is not forgotten."""
        count("firewall_keys_forgotten")
        for key in sorted(self._counts, key=self._counts.__getitem__)[: max(1, MOST_KEYS // 4)]:
            del self._counts[key]
            self._elsewhere.pop(key, None)
            self._told.pop(key, None)
            self._changed.discard(key)

    async def share(self, quota: Quota) -> None:
        """Tell the other nodes what was counted here, and learn what they have. Raises StoreUnavailable."""
        least = max(1, self.limit // SHARED_FROM)
        span = self._span
        changed = [key for key in self._changed if self._counts.get(key, 0) >= least][:_MOST_TOLD]
        for start in range(0, len(changed), _AT_ONCE):
            await asyncio.gather(*(self._tell(key, span, quota) for key in changed[start : start + _AT_ONCE]))

    async def _tell(self, key: Key, span: int, quota: Quota) -> None:
        here = self._counts.get(key, 0)
        if self._span != span or not here:
            return
        self._changed.discard(key)
        amount = here - self._told.get(key, 0)
        # Before the answer: what is counted meanwhile is told the next time.
        self._told[key] = here
        # If it fails, it may have been counted or not: to count it once more could block somebody for nothing.
        total = await quota.add(self._shared_name(key), str(span), amount, (span + 2) * self.window)
        if self._span == span and key in self._counts:
            self._elsewhere[key] = max(0, total - here)

    def _shared_name(self, key: Key) -> str:
        # A digest: a key may hold what is secret, such as the value of a header.
        digest = hashlib.blake2b(digest_size=16)
        for part in key:
            digest.update(len(part).to_bytes(4, "big") + part)
        return f"firewall/{self.name}/{digest.hexdigest()}"


async def share_all(rates: list[Rate], quota: Quota) -> None:
    """Share each of `rates`; without the store every node counts alone, and that is counted."""
    for rate in rates:
        try:
            await rate.share(quota)
        except StoreUnavailable:
            count("firewall_counts_not_shared")
            return
