"""Open-loop pacing: a fixed timetable, kept whether or not the other side keeps up.

A generator that waits for an answer before it sends the next message hides the very delays that it is to measure
("coordinated omission"). Here the n-th event is due at start + n / rate, and its latency counts from then.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator

_FINEST, _COARSEST = 0.000_25, 0.001
_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC = 1, 0o2004000


class Timetable:
    """When events are due: from `start` on, `rate` per second, for `duration` seconds."""

    def __init__(self, rate: float, start: float, duration: float) -> None:
        self._rate = rate
        self._start = start
        self._count = max(1, round(rate * duration))
        self._next = 0

    def due(self, now: float) -> Iterator[float]:
        """The times, up to `now`, of events not yet given out."""
        while self._next < self._count:
            at = self._start + self._next / self._rate
            if at > now:
                return
            self._next += 1
            yield at

    def over(self) -> bool:
        """Whether all events have been given out."""
        return self._next >= self._count


async def keep(
    timetable: Timetable, rate: float, fire: Callable[[float], None], clock: Callable[[], float] = time.perf_counter
) -> None:
    """Call `fire` with the due time of every event of `timetable`, as soon as it is due."""
    ticker = _Ticker(min(max(1 / rate, _FINEST), _COARSEST))
    try:
        while not timetable.over():
            for at in timetable.due(clock()):
                fire(at)
            await ticker.wait()
    finally:
        ticker.close()


class _Ticker:
    """Wakes its waiter every `interval` seconds: by timerfd, as the loop's own timers are good to 1 ms only."""

    def __init__(self, interval: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._interval = interval
        self._woken = asyncio.Event()
        self._fd = _timer_fd(interval)
        if self._fd is not None:
            self._loop.add_reader(self._fd, self._fired)

    def _fired(self) -> None:
        if self._fd is not None:
            os.read(self._fd, 8)
        self._woken.set()

    async def wait(self) -> None:
        if self._fd is None:
            await asyncio.sleep(self._interval)
            return
        await self._woken.wait()
        self._woken.clear()

    def close(self) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None


def _timer_fd(interval: float) -> int | None:
    """A timerfd that becomes readable every `interval` seconds (Linux; Python wraps it from 3.13 on), else None."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
    nanoseconds = int(interval * 1e9)
    # struct itimerspec: interval, then first expiry, each as seconds and nanoseconds.
    spec = (ctypes.c_long * 4)(0, nanoseconds, 0, nanoseconds)
    if fd >= 0 and libc.timerfd_settime(fd, 0, ctypes.byref(spec), None) != 0:
        os.close(fd)
        return None
    return fd if fd >= 0 else None
