"""Values that one process keeps for a while."""

from __future__ import annotations

import time
from collections.abc import Callable


class MemoryCache:
    """Entries of this process. `now` gives seconds and never goes back. Beyond `most`, the oldest are forgotten."""

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = 100_000) -> None:
        self._now = now
        self._most = most
        self._entries: dict[tuple[str, str], tuple[bytes, float]] = {}

    async def get(self, group: str, key: str) -> bytes | None:
        entry = self._entries.get((group, key))
        return entry[0] if entry is not None and entry[1] > self._now() else None

    async def put(self, group: str, key: str, value: bytes, seconds: float) -> None:
        # Taken out first: a dict keeps its order, and the oldest goes first.
        self._entries.pop((group, key), None)
        self._entries[group, key] = (value, self._now() + seconds)
        while len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]

    async def take(self, group: str, key: str) -> bytes | None:
        value = await self.get(group, key)
        self._entries.pop((group, key), None)
        return value

    async def flush(self, group: str) -> None:
        self._entries = {name: entry for name, entry in self._entries.items() if name[0] != group}
