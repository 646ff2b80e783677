"""One timer for many deadlines, on a clock that the test sets."""

from __future__ import annotations

import asyncio
import math

import pytest

from wsgw.integrations.sweep import RESOLUTION, Sweep


class Deadlines:
    """Remembers when it was swept; gives the deadlines in turn."""

    def __init__(self, *deadlines: float | None) -> None:
        self.left = list(deadlines)
        self.swept: list[float] = []

    def sweep(self, now: float) -> float | None:
        self.swept.append(now)
        return self.left.pop(0) if self.left else None


@pytest.fixture
async def clock():
    return [10.0]


@pytest.fixture
async def sweep(clock):
    sweep = Sweep(asyncio.get_running_loop(), lambda: clock[0])
    yield sweep
    sweep.stop()


async def test_the_timer_is_set_for_the_earliest_deadline(sweep):
    sweep.watch(40.0)
    sweep.watch(39.0)
    sweep.watch(50.0)
    assert sweep.next == 39.0


async def test_after_a_sweep_it_is_set_for_the_earliest_that_is_left(sweep, clock):
    for deadlines in (Deadlines(30.0), Deadlines(20.0), Deadlines(math.inf)):
        sweep.add(deadlines)
    sweep.watch(11.0)
    clock[0] = 11.0
    sweep.run()
    assert sweep.next == 20.0


async def test_sweeps_are_never_closer_than_the_resolution(sweep, clock):
    sweep.add(Deadlines(10.000001))
    sweep.run()
    assert sweep.next == 10.0 + RESOLUTION


async def test_what_has_no_deadline_left_is_let_alone(sweep):
    done = Deadlines(None, 20.0)
    sweep.add(done)
    sweep.run()
    sweep.run()
    assert len(done.swept) == 1
    assert sweep.next == math.inf


async def test_the_timer_sweeps():
    swept = asyncio.Event()

    class Once:
        def sweep(self, now: float) -> float | None:
            swept.set()
            return None

    loop = asyncio.get_running_loop()
    sweep = Sweep(loop, loop.time)
    sweep.add(Once())
    begun = loop.time()
    sweep.watch(begun + 0.05)
    async with asyncio.timeout(2):
        await swept.wait()
    assert loop.time() - begun >= 0.049
