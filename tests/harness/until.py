"""Waiting for what nobody announces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.harness.pace import SLOWER


async def until(condition: Callable[[], object], timeout: float = 10 * SLOWER) -> None:
    """Return as soon as `condition()` is true, for state without an event to wait for; fails after `timeout`."""
    try:
        async with asyncio.timeout(timeout):
            while not condition():
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError("what was waited for has not come true") from None
