"""Pauses before trying again: longer each time, and never the same for two nodes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable


class Backoff:
    """Exponential from `least` to `most` seconds with full jitter, anew after something has held for `stable` seconds.

    What breaks sooner than that counts as another failure: a Redis that comes and goes is tried ever more rarely.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        least: float = 0.05,
        most: float = 2.0,
        stable: float = 1.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._now = now
        self._least = least
        self._most = most
        self._stable = stable
        self._jitter = jitter
        self._failures = 0
        self._works_since: float | None = None

    def works(self) -> None:
        """It works from now on."""
        self._works_since = self._now()

    def pause(self) -> float:
        """It failed: how long to wait before the next attempt."""
        if self._works_since is not None and self._now() - self._works_since >= self._stable:
            self._failures = 0
        self._works_since = None
        longest = min(self._most, self._least * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return longest * self._jitter()
