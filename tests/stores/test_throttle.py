"""The contract of every Throttle. The fixture gives each implementation, on a clock that the test sets."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.redis_server import RedisServer
from tests.stores.redis.links import opened
from tests.stores.throttles import Clocked, exact, in_memory, sliced
from wsgw.definitions.access import ThrottleSettings
from wsgw.stores.memory import MemoryThrottle


@pytest.fixture(params=["memory", "exact", "sliced"])
async def buckets(request: pytest.FixtureRequest, redis: RedisServer) -> AsyncIterator[Clocked]:
    if request.param == "memory":
        yield in_memory()
        return
    async with opened(redis.url) as link:
        yield exact(link) if request.param == "exact" else sliced(link)


async def test_a_bucket_refuses_once_its_burst_is_spent(buckets: Clocked):
    limit = ThrottleSettings(rate_limit=0.01, burst_limit=2)
    assert [await buckets.take("key", limit) for _ in range(3)] == [True, True, False]


async def test_tokens_come_back_with_time(buckets: Clocked):
    limit = ThrottleSettings(rate_limit=0.02, burst_limit=1)
    assert await buckets.take("key", limit)
    await buckets.pass_(40)
    assert not await buckets.take("key", limit)
    await buckets.pass_(20)
    assert await buckets.take("key", limit)
    assert not await buckets.take("key", limit)


async def test_a_bucket_holds_no_more_than_its_burst(buckets: Clocked):
    limit = ThrottleSettings(rate_limit=0.1, burst_limit=3)
    await buckets.take("key", limit)
    await buckets.pass_(3600)
    assert [await buckets.take("key", limit) for _ in range(4)] == [True, True, True, False]


async def test_buckets_are_apart(buckets: Clocked):
    limit = ThrottleSettings(rate_limit=0.01, burst_limit=1)
    assert await buckets.take("one", limit)
    assert await buckets.take("other", limit)
    assert not await buckets.take("one", limit)


async def test_a_rate_of_nothing_gives_the_burst_and_no_more(buckets: Clocked):
    limit = ThrottleSettings(rate_limit=0, burst_limit=2)
    assert [await buckets.take("key", limit) for _ in range(3)] == [True, True, False]
    await buckets.pass_(1e6)
    assert not await buckets.take("key", limit)


async def test_a_burst_of_nothing_lets_nothing_through(buckets: Clocked):
    limit = ThrottleSettings(rate_limit=100, burst_limit=0)
    assert not await buckets.take("key", limit)
    await buckets.pass_(60)
    assert not await buckets.take("key", limit)


async def test_another_limit_counts_from_the_next_token_on(buckets: Clocked):
    slow = ThrottleSettings(rate_limit=0.001, burst_limit=1)
    assert await buckets.take("key", slow)
    assert not await buckets.take("key", slow)
    fast = ThrottleSettings(rate_limit=10, burst_limit=20)
    await buckets.pass_(3)
    assert await buckets.take("key", fast) or buckets.apart  # Redis keeps when the bucket is full, not its tokens
    await buckets.pass_(1000)
    assert await buckets.take("key", fast)


@pytest.mark.parametrize("seed", range(6))
async def test_no_more_is_let_through_than_burst_and_rate_allow_and_hardly_less(buckets: Clocked, seed: int):
    chance = random.Random(seed)
    rate, burst = chance.uniform(0.5, 50), chance.randrange(2, 20)
    limit = ThrottleSettings(rate_limit=rate, burst_limit=burst)
    began = buckets.now()
    let_through = 0
    stood_still = 0.0
    # Always more is wanted than there is, and the bucket never gets full: unless this process or Redis stands still.
    for _ in range(300):
        before = time.monotonic()
        while await buckets.take("key", limit):
            let_through += 1
        await buckets.pass_(chance.uniform(0, (burst - 1) / rate))
        took = time.monotonic() - before
        stood_still += took if buckets.apart and took > 0.05 else 0
    while await buckets.take("key", limit):
        let_through += 1
    allowed = burst + (buckets.now() - began) * rate
    assert 0.98 * (allowed - stood_still * rate) - 1 <= let_through <= allowed + 1e-6


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200), st.floats(0.5, 50), st.integers(1, 20))
async def test_in_no_stretch_of_time_more_is_let_through(pauses: list[float], rate: float, burst: int):
    buckets = in_memory()
    limit = ThrottleSettings(rate_limit=rate, burst_limit=burst)
    passed: list[float] = []
    for pause in pauses:
        await buckets.pass_(pause)
        if await buckets.take("key", limit):
            passed.append(buckets.now())
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - begin) * rate + 1e-6


# ---- several at once


def slow(burst: int) -> ThrottleSettings:
    return ThrottleSettings(rate_limit=0.001, burst_limit=burst)


async def test_of_several_buckets_one_token_each_is_taken(buckets: Clocked):
    assert [await buckets.take_each(("a", slow(2)), ("b", slow(4))) for _ in range(2)] == [2, 2]
    assert not await buckets.take("a", slow(2))
    assert [await buckets.take("b", slow(4)) for _ in range(3)] == [True, True, False]


async def test_buckets_behind_the_one_that_refuses_keep_their_tokens_and_those_before_do_not(buckets: Clocked):
    first, empty, last = ("first", slow(4)), ("empty", slow(1)), ("last", slow(2))
    assert await buckets.take(*empty)
    for _ in range(2):  # the second time Redis is not asked for the empty one
        assert await buckets.take_each(first, empty, last) == 1
    assert [await buckets.take(*first) for _ in range(3)] == [True, True, False]
    assert [await buckets.take(*last) for _ in range(3)] == [True, True, False]


async def test_the_first_of_several_that_refuses_spends_nothing(buckets: Clocked):
    blocked, last = ("blocked", ThrottleSettings(rate_limit=5, burst_limit=0)), ("last", slow(1))
    assert await buckets.take_each(blocked, last) == 0
    assert await buckets.take_each(last) == 1
    assert await buckets.take_each(last, blocked) == 0


async def test_none_of_several_is_nothing(buckets: Clocked):
    assert await buckets.take_each() == 0


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=4, unique=True), max_size=40), st.integers(1, 4))
async def test_several_at_once_are_as_one_after_the_other(asked: list[list[str]], burst: int):
    together, apart = in_memory(), in_memory()
    for keys in asked:
        expected = len(keys)
        for index, key in enumerate(keys):
            if not await apart.take(key, slow(burst)):
                expected = index
                break
        assert await together.take_each(*((key, slow(burst)) for key in keys)) == expected


async def test_several_at_once_in_redis_are_as_in_memory(redis: RedisServer):
    chosen = random.Random(1)
    limits = {
        key: ThrottleSettings(rate_limit=0, burst_limit=burst) for key, burst in zip("abcd", (3, 5, 0, 9), strict=True)
    }
    memory = in_memory()
    async with opened(redis.url) as link:
        shared = exact(link)
        for _ in range(60):
            wanted = [(key, limits[key]) for key in chosen.sample("abcd", chosen.randint(1, 4))]
            assert await shared.take_each(*wanted) == await memory.take_each(*wanted)


# ---- memory


async def test_buckets_that_are_full_again_are_forgotten():
    now = 1000.0
    buckets = MemoryThrottle(lambda: now, most=10)
    limit = ThrottleSettings(rate_limit=1, burst_limit=1)
    for number in range(10):
        await buckets.take(f"old {number}", limit)
    now += 2
    await buckets.take("new", limit)
    assert len(buckets._buckets) == 1


async def test_a_flood_of_new_keys_takes_no_more_memory_and_leaves_a_bucket_in_use_alone():
    """Of source addresses there are more than there is memory."""
    buckets = MemoryThrottle(lambda: 1000.0, most=100)
    assert await buckets.take("route", slow(1))
    for number in range(5000):
        assert await buckets.take(f"source {number}", slow(1))
        assert not await buckets.take("route", slow(1))
        assert len(buckets._buckets) <= 100
    # The oldest of them were forgotten, and the newest are known.
    assert not await buckets.take("source 4999", slow(1))
    assert await buckets.take("source 0", slow(1))


async def test_a_flood_of_new_keys_looks_through_all_buckets_seldom(monkeypatch: pytest.MonkeyPatch):
    buckets = MemoryThrottle(lambda: 1000.0, most=1000)
    looks = 0
    make_room = buckets._make_room

    def counted(now: float) -> None:
        nonlocal looks
        looks += 1
        make_room(now)

    monkeypatch.setattr(buckets, "_make_room", counted)
    for number in range(11_000):
        await buckets.take(f"source {number}", slow(1))
    assert looks <= 101
