"""The contract of every Throttle. The fixture gives each implementation, on a clock that the test sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.definitions.access import ThrottleSettings
from wsgw.stores.memory import MemoryThrottle


class Time:
    def __init__(self) -> None:
        self.now = 1000.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def buckets(time: Time) -> MemoryThrottle:
    return MemoryThrottle(lambda: time.now)


async def test_a_bucket_refuses_once_its_burst_is_spent(buckets: MemoryThrottle):
    limit = ThrottleSettings(rate_limit=1, burst_limit=2)
    assert [await buckets.take("key", limit) for _ in range(3)] == [True, True, False]


async def test_tokens_come_back_with_time(buckets: MemoryThrottle, time: Time):
    limit = ThrottleSettings(rate_limit=2, burst_limit=1)
    assert await buckets.take("key", limit)
    time.now += 0.4
    assert not await buckets.take("key", limit)
    time.now += 0.2
    assert await buckets.take("key", limit)


async def test_a_bucket_holds_no_more_than_its_burst(buckets: MemoryThrottle, time: Time):
    limit = ThrottleSettings(rate_limit=1000, burst_limit=3)
    await buckets.take("key", limit)
    time.now += 3600
    assert [await buckets.take("key", limit) for _ in range(4)] == [True, True, True, False]


async def test_buckets_are_apart(buckets: MemoryThrottle):
    limit = ThrottleSettings(rate_limit=1, burst_limit=1)
    assert await buckets.take("one", limit)
    assert await buckets.take("other", limit)
    assert not await buckets.take("one", limit)


async def test_a_rate_of_nothing_gives_the_burst_and_no_more(buckets: MemoryThrottle, time: Time):
    limit = ThrottleSettings(rate_limit=0, burst_limit=1)
    assert await buckets.take("key", limit)
    time.now += 1e6
    assert not await buckets.take("key", limit)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200), st.floats(0.5, 50), st.integers(1, 20))
async def test_no_more_is_let_through_than_burst_and_rate_allow(pauses: list[float], rate: float, burst: int):
    time = Time()
    buckets = MemoryThrottle(lambda: time.now)
    limit = ThrottleSettings(rate_limit=rate, burst_limit=burst)
    let_through = 0
    for pause in pauses:
        time.now += pause
        let_through += await buckets.take("key", limit)
    assert let_through <= burst + (time.now - 1000) * rate + 1e-6


async def test_buckets_that_are_full_again_are_forgotten(time: Time):
    buckets = MemoryThrottle(lambda: time.now, most=10)
    limit = ThrottleSettings(rate_limit=1, burst_limit=1)
    for number in range(10):
        await buckets.take(f"old {number}", limit)
    time.now += 2
    await buckets.take("new", limit)
    assert len(buckets._buckets) == 1
