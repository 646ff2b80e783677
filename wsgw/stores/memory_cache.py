"""Values that one process keeps for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

#: What an entry takes beside its value: its key, its time, its places in dictionaries.
_OVERHEAD = 512


class MemoryCache:
    """Entries of this process. `now` gives seconds and never goes back.

    Beyond `most` of them, or about `most_bytes` of memory, the oldest are forgotten.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, most: int = 100_000, most_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self._now = now
        self._most = most
        self._most_bytes = most_bytes
        self._size = 0
        self._entries: dict[tuple[str, str], tuple[bytes, float]] = {}

    async def get(self, group: str, key: str) -> bytes | None:
        entry = self._entries.get((group, key))
        return entry[0] if entry is not None and entry[1] > self._now() else None

    async def put(self, group: str, key: str, value: bytes, seconds: float) -> None:
        # Taken out first: a dict keeps its order, and the oldest goes first.
        self._forget((group, key))
        # A copy: what JSON libraries give may hold on to the whole buffer that it was written in.
        self._entries[group, key] = (bytes(memoryview(value)), self._now() + seconds)
        self._size += len(value) + _OVERHEAD
        while len(self._entries) > self._most or (self._size > self._most_bytes and len(self._entries) > 1):
            self._forget(next(iter(self._entries)))

    async def take(self, group: str, key: str) -> bytes | None:
        value = await self.get(group, key)
        self._forget((group, key))
        return value

    async def flush(self, group: str) -> None:
        for name in [name for name in self._entries if name[0] == group]:
            self._forget(name)

    def _forget(self, name: tuple[str, str]) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._size -= len(entry[0]) + _OVERHEAD
