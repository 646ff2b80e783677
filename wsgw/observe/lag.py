"""How late the event loop is: the one number that says whether a node has too much to do."""

from __future__ import annotations

import asyncio
from collections import deque


class LoopLag:
    """Measures, every `every` seconds, how much later than asked a timer fires. Keeps the last five minutes or so."""

    def __init__(self, every: float = 0.1, keep: int = 3_000) -> None:
        self._every = every
        self._lags: deque[float] = deque(maxlen=keep)
        self._expected = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._expected = loop.time() + self._every
        self._timer = loop.call_at(self._expected, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._lags.append(max(0.0, asyncio.get_running_loop().time() - self._expected))
        self.start()

    def quantile(self, share: float) -> float:
        """The lag in seconds that `share` (0 to 1) of the measurements do not exceed."""
        if not self._lags:
            return 0.0
        ordered = sorted(self._lags)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
