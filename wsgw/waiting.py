"""Waiting, but not for ever: for something to be said, and for answers that the event loop reads."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` is set, or is within `seconds`. It is cleared, for the next time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    was_set = event.is_set()
    event.clear()
    return was_set


@contextlib.asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError if what is done meanwhile takes longer than `seconds`, in which the loop went round.

    For answers: what the loop was too late to read is no fault of whoever answered.

    The last fifth begins only when the loop has come round once more: one that was held up finds its timers due before
    it has read what arrived. If it was held up for more than half of `seconds`, the whole machine may have stood still,
    and whoever is to answer with it: then all the time begins anew, once.
    """
    loop = asyncio.get_running_loop()
    first, last, held_up = 0.8 * seconds, 0.2 * seconds, 0.5 * seconds
    due = time.monotonic() + first
    timer: asyncio.TimerHandle
    async with asyncio.timeout(None) as timeout:

        def first_part_over(stood_still_before: bool = False) -> None:
            nonlocal timer
            if time.monotonic() - due > held_up and not stood_still_before:
                timer = loop.call_later(first, first_part_over, True)
            else:
                timeout.reschedule(loop.time() + last)

        timer = loop.call_later(first, first_part_over)
        try:
            yield
        finally:
            timer.cancel()
