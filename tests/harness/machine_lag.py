"""How long the machine keeps this process waiting, beside what is timed: no part of what is promised."""

from __future__ import annotations

import threading
import time
from typing import Self


class MachineLag:
    """`worst`: the longest that any thread was held up so far, not by what the loop does but by a busy machine."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure)
        self._thread.start()

    def _measure(self) -> None:
        before = time.monotonic()
        while not self._over.wait(0.005):
            self.worst = max(self.worst, time.monotonic() - before - 0.005)
            before = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
