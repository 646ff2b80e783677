"""One timer for many deadlines: nothing is scheduled or cancelled per request."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

#: Sweeps are at least this far apart, so a deadline is noticed at most this late.
RESOLUTION = 0.01


class Swept(Protocol):
    """Something with deadlines inside."""

    def sweep(self, now: float) -> float | None:
        """Deal with what is overdue. Returns the next deadline, or None to be left alone until added again."""
        ...


class Sweep:
    """Sweeps what was added when the earliest deadline has passed. `now` gives seconds and never goes back.

    The timer is set for the earliest deadline that was ever announced and then for the earliest that is left: with
    timeouts of 29 s and answers within milliseconds it runs twice a minute, however many requests there are.
    """

    __slots__ = ("_loop", "_swept", "_timer", "next", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        self._loop = loop
        self._swept: set[Swept] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.now = now
        self.next = math.inf  # when the timer is set for

    def add(self, swept: Swept) -> None:
        self._swept.add(swept)

    def watch(self, deadline: float) -> None:
        """Have a sweep soon after `deadline`. Callers on a hot path compare with `next` first."""
        if deadline < self.next:
            self.stop()
            self.next = deadline
            self._timer = self._loop.call_later(max(0.0, deadline - self.now()), self.run)

    def run(self) -> None:
        """Sweep now; what the timer does."""
        self.stop()
        now = self.now()
        for swept in tuple(self._swept):
            deadline = swept.sweep(now)
            if deadline is None:
                self._swept.discard(swept)
            else:
                self.watch(max(deadline, now + RESOLUTION))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.next = math.inf
