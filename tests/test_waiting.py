"""Deadlines: their end, and whom they do not blame."""

from __future__ import annotations

import asyncio
import time

import pytest

from wsgw.waiting import set_within, within


async def test_what_is_not_done_in_time_is_given_up():
    with pytest.raises(TimeoutError):
        async with within(0.01):
            await asyncio.Event().wait()


async def test_what_is_done_in_time_leaves_no_deadline_behind():
    async with within(0.01):
        pass
    await asyncio.sleep(0.02)


async def test_whoever_stood_still_waits_once_more():
    async with within(0.5):
        time.sleep(0.8)
        # Longer than what would be left of it.
        await asyncio.sleep(0.15)


async def test_whoever_stands_still_again_and_again_does_not_wait_for_ever():
    async def stand_still() -> None:
        while True:
            time.sleep(0.1)
            await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        async with within(0.05):
            await stand_still()


async def test_an_error_stays_what_it_is():
    with pytest.raises(OSError, match="refused"):
        async with within(1):
            raise OSError("refused")


async def test_what_was_said_is_heard_once():
    said = asyncio.Event()
    asyncio.get_running_loop().call_soon(said.set)
    assert await set_within(said, 10)
    assert not said.is_set()


async def test_what_is_not_said_is_not_waited_for_longer():
    assert not await set_within(asyncio.Event(), 0.01)
