"""A circuit breaker: a backend that cannot be reached is left alone for a while, and its callers fail at once."""

from __future__ import annotations

import time
from collections.abc import Callable

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class Circuit:
    """Opens after `threshold` failures in a row; 0 never opens. Then one probe per pause is let through.

    A probe that succeeds closes it, one that fails doubles the pause (1 s up to 30 s). A probe that says nothing,
    because its caller went away, is followed by another after the same pause. `clock` gives seconds and never goes
    back.
    """

    __slots__ = ("_clock", "_pause", "_probing", "_retry_at", "_threshold", "failures", "opened")

    def __init__(self, threshold: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold = threshold
        self._clock = clock
        self._pause = _FIRST_PAUSE
        self._probing = False
        self._retry_at = 0.0
        self.failures = 0
        self.opened = False

    def admits(self) -> bool:
        """Whether a call may go out now. On an open circuit, True makes that call the probe."""
        if not self.opened:
            return True
        now = self._clock()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The backend answered, whatever it said."""
        self.failures = 0
        self.opened = self._probing = False
        self._pause = _FIRST_PAUSE

    def failed(self) -> None:
        """The backend could not be reached, broke off, or said nothing in time."""
        self.failures += 1
        if self.opened:
            # What was under way when it opened proves nothing new; only the probe does.
            if self._probing:
                self._probing = False
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)
                self._retry_at = self._clock() + self._pause
        elif self._threshold and self.failures >= self._threshold:
            self.opened = True
            self._retry_at = self._clock() + self._pause
