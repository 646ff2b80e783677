"""Buckets known to be empty for a while: a flood that is refused anyway shall cost Redis nothing."""

from __future__ import annotations

from itertools import islice

from wsgw.definitions.access import ThrottleSettings

#: A bucket that gets no tokens back is asked for again after this long: its settings or Redis may be others by then.
NEVER = 60.0


class Refusals:
    """Until when which bucket has no token. At most `most` are kept; the oldest are forgotten beyond that."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._until: dict[str, tuple[float, ThrottleSettings]] = {}

    def __len__(self) -> int:
        return len(self._until)

    def hold(self, key: str, limit: ThrottleSettings, now: float) -> bool:
        """No token can be in the bucket `key` yet."""
        found = self._until.get(key)
        if found is None:
            return False
        if now < found[0] and limit == found[1]:
            return True
        del self._until[key]
        return False

    def add(self, key: str, limit: ThrottleSettings, asked: float, wait: int) -> None:
        """Redis, asked at `asked`, said that there is no token for `wait` microseconds (-1: never, 0: there is one)."""
        if wait == 0:
            return
        if len(self._until) >= self._most:
            self._forget(asked)
        # From when it was asked, not from when it answered: no token may be missed.
        self._until[key] = (asked + (wait / 1e6 if wait > 0 else NEVER), limit)

    def _forget(self, now: float) -> None:
        self._until = {key: found for key, found in self._until.items() if found[0] > now}
        for key in list(islice(self._until, len(self._until) - self._most * 9 // 10)):
            del self._until[key]
