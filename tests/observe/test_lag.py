"""The event loop's lag."""

from __future__ import annotations

import asyncio
import time

from wsgw.observe.lag import LoopLag


async def test_a_loop_that_is_held_up_shows_it():
    lag = LoopLag(every=0.001)
    lag.start()
    while len(lag._lags) < 2:
        await asyncio.sleep(0)
    time.sleep(0.05)  # this is what holds the loop up
    while lag.quantile(1) < 0.04:
        await asyncio.sleep(0)
    lag.stop()
    assert lag.quantile(1) >= 0.04


def test_without_measurements_there_is_no_lag():
    assert LoopLag().quantile(0.99) == 0
