"""What is particular to buckets in Redis: exact over several nodes, cheap under a flood, honest without Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest

from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet
from tests.harness.until import until
from tests.stores.redis.links import opened
from tests.stores.throttles import exact
from wsgw.definitions.access import ThrottleSettings
from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Throttle
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.refusals import NEVER, Refusals
from wsgw.stores.redis.sliced import SlicedThrottle
from wsgw.stores.redis.throttle import RedisThrottle

KEYS = Keys("test")
SLOW = ThrottleSettings(rate_limit=0.01, burst_limit=4)


@contextlib.asynccontextmanager
async def three_nodes(url: str, make: Callable[[Link], Throttle]) -> AsyncIterator[list[Throttle]]:
    async with opened(url) as one, opened(url) as two, opened(url) as three:
        yield [make(one), make(two), make(three)]


async def offer(
    nodes: list[Throttle], limit: ThrottleSettings, rate: float, seconds: float
) -> tuple[int, float, float]:
    """Offer `rate` messages a second, spread over the nodes; gives how many passed, in how much time, and how much
    of it nobody asked in, for this process or Redis stood still, while the bucket was full.
    """
    began = last = time.monotonic()
    passed = offered = 0
    idle = 0.0
    while (now := time.monotonic()) - began < seconds:
        idle += max(0.0, now - last - limit.burst_limit / limit.rate_limit / 2)
        last = now
        due = int((now - began) * rate)
        wanted = (nodes[number % len(nodes)].take("key", limit) for number in range(offered, due + 1))
        passed += sum(await asyncio.gather(*wanted))
        offered = due + 1
        await asyncio.sleep(0.002)
    return passed, time.monotonic() - began, idle


@pytest.mark.parametrize("seconds", [2.5, pytest.param(60, marks=pytest.mark.soak)])
async def test_three_nodes_let_through_what_the_limit_says_and_no_more(redis: RedisServer, seconds: float):
    """P-08: limit 100/s, burst 20, ten times as much offered; within 2 %."""
    limit = ThrottleSettings(rate_limit=100, burst_limit=20)
    async with three_nodes(redis.url, lambda link: RedisThrottle(link, KEYS)) as nodes:
        passed, took, idle = await offer(nodes, limit, 1000, seconds)
    assert 0.98 * (20 + 100 * (took - idle)) <= passed <= 20 + 100 * took + 1


async def test_slices_let_through_at_most_one_slice_for_each_node_more(redis: RedisServer):
    limit = ThrottleSettings(rate_limit=300, burst_limit=60)
    slice_ = 30
    async with three_nodes(redis.url, lambda link: SlicedThrottle(link, KEYS, 0.1)) as nodes:
        passed, took, idle = await offer(nodes, limit, 3000, 2)
    assert 0.95 * (60 + 300 * (took - idle)) <= passed + 3 * slice_ / 2
    assert passed <= 60 + 300 * took + 3 * slice_


async def test_a_flood_that_is_refused_costs_redis_nothing(redis: RedisServer):
    async with opened(redis.url) as link:
        for throttle in (RedisThrottle(link, Keys("one")), SlicedThrottle(link, Keys("other"), 0.1)):
            while await throttle.take("key", SLOW):
                pass
            before = link.commands
            assert not any([await throttle.take("key", SLOW) for _ in range(5000)])
            assert link.commands == before


async def test_a_hot_bucket_in_slices_asks_redis_rarely(redis: RedisServer):
    async with opened(redis.url) as link:
        limit = ThrottleSettings(rate_limit=10_000, burst_limit=5000)
        throttle = SlicedThrottle(link, KEYS, 0.1)
        before = link.commands
        for _ in range(4000):
            assert await throttle.take("key", limit)
        assert link.commands - before <= 15


async def test_what_is_left_of_a_slice_is_given_back(redis: RedisServer):
    async with opened(redis.url) as one, opened(redis.url) as other:
        limit = ThrottleSettings(rate_limit=0.01, burst_limit=10)
        holder = SlicedThrottle(one, KEYS, 1000)  # five tokens: half of the burst
        assert await holder.take("key", limit)
        exact_ = RedisThrottle(other, KEYS)
        assert [await exact_.take("key", limit) for _ in range(10)].count(True) == 5
        holder.close()
        await one.send("PING")  # after what was given back
        anew = RedisThrottle(other, KEYS)
        assert [await anew.take("key", limit) for _ in range(10)].count(True) == 4


async def test_an_unused_slice_is_given_back_by_itself(redis: RedisServer):
    async with opened(redis.url) as link:
        limit = ThrottleSettings(rate_limit=10, burst_limit=20)
        throttle = SlicedThrottle(link, KEYS, 0.2)
        assert await throttle.take("key", limit)
        await until(lambda: not throttle._slices)
        full = await link.send("EXISTS", KEYS.throttle("key"))
        assert not full or int(await link.send("PTTL", KEYS.throttle("key"))) <= 100


async def test_those_who_wait_for_one_slice_get_it_in_their_order_and_cancelled_ones_take_nothing(redis: RedisServer):
    async with opened(redis.url) as link:
        limit = ThrottleSettings(rate_limit=0.01, burst_limit=4)
        throttle = SlicedThrottle(link, KEYS, 0.1)
        waits = [asyncio.ensure_future(throttle.take("key", limit)) for _ in range(8)]
        await asyncio.sleep(0)
        waits[0].cancel()
        waits[2].cancel()
        outcomes = await asyncio.gather(*waits, return_exceptions=True)
        assert [one for one in outcomes if isinstance(one, bool)] == [True, True, True, True, False, False]


@pytest.mark.parametrize("make", [lambda link: RedisThrottle(link, KEYS), lambda link: SlicedThrottle(link, KEYS, 0.1)])
async def test_without_redis_it_says_so_at_once_and_works_again_when_redis_is_back(
    own_redis: RedisServer, make: Callable[[Link], Throttle]
):
    async with opened(own_redis.url) as link:
        throttle = make(link)
        await own_redis.stop()
        began = time.monotonic()
        for number in range(50):
            with pytest.raises(StoreUnavailable):
                await throttle.take(f"key {number}", SLOW)
        assert time.monotonic() - began < 0.5 * SLOWER
        await own_redis.restart()
        await until(lambda: not link.away)
        assert await throttle.take("key 0", SLOW)


async def test_every_bucket_expires(redis: RedisServer):
    async with opened(redis.url) as link:
        throttle = RedisThrottle(link, KEYS)
        await throttle.take("slow", SLOW)
        await throttle.take("never", ThrottleSettings(rate_limit=0, burst_limit=2))
        assert 90_000 < int(await link.send("PTTL", KEYS.throttle("slow"))) <= 100_000
        assert int(await link.send("PTTL", KEYS.throttle("never"))) > 29 * 86_400_000


async def test_buckets_are_spread_over_a_cluster(redis_cluster: RedisClusterSet):
    async with opened(redis_cluster.url) as link:
        throttle = RedisThrottle(link, KEYS)
        taken = await asyncio.gather(*(throttle.take(f"key {number % 50}", SLOW) for number in range(500)))
        assert sum(taken) == 50 * 4
        assert all([await one.cli("DBSIZE") for one in redis_cluster.servers])


async def test_redis_says_when_the_next_token_comes_and_is_asked_no_sooner(redis: RedisServer):
    async with opened(redis.url) as link:
        clocked = exact(link)
        limit = ThrottleSettings(rate_limit=0.1, burst_limit=1)
        assert await clocked.take("key", limit)
        before = link.commands
        await clocked.throttle.take("key", limit)
        assert link.commands == before
        await clocked.pass_(10)
        assert await clocked.take("key", limit)


def test_refusals_are_bounded():
    refusals = Refusals(most=100)
    for number in range(1000):
        refusals.add(f"key {number}", SLOW, 0.0, 1_000_000)
        assert len(refusals) <= 100
    assert refusals.hold("key 999", SLOW, 0.5)


def test_a_refusal_holds_for_its_time_and_its_limit_only():
    refusals = Refusals()
    refusals.add("key", SLOW, 10.0, 2_000_000)
    assert refusals.hold("key", SLOW, 11.9)
    assert not refusals.hold("other", SLOW, 11.9)
    assert not refusals.hold("key", SLOW, 12.0)
    refusals.add("key", SLOW, 10.0, 2_000_000)
    assert not refusals.hold("key", ThrottleSettings(rate_limit=5, burst_limit=5), 11.0)
    refusals.add("key", SLOW, 10.0, -1)
    assert refusals.hold("key", SLOW, 9.9 + NEVER)
    assert not refusals.hold("key", SLOW, 10.0 + NEVER)
    refusals.add("key", SLOW, 10.0, 0)
    assert not len(refusals)


@pytest.mark.parametrize("value", ["not a number", "", "nan", "inf", "-inf", "1e300", "0x7fffffffffffffff", None])
async def test_a_bucket_that_somebody_else_wrote_holds_no_more_and_lets_nobody_wait_longer(
    redis: RedisServer, value: str | None
):
    """S-61; and a number far ahead is what Redis's own clock leaves behind when it is set back."""
    limit = ThrottleSettings(rate_limit=10, burst_limit=2)
    await (
        redis.cli("RPUSH", KEYS.throttle("key"), "x")
        if value is None
        else redis.cli("SET", KEYS.throttle("key"), value)
    )
    async with opened(redis.url) as link:
        buckets = RedisThrottle(link, KEYS)
        assert sum([await buckets.take("key", limit) for _ in range(5)]) <= 2
        async with asyncio.timeout(0.5 * SLOWER):
            while not await buckets.take("key", limit):
                await asyncio.sleep(0.01)
        assert not link.refused


async def test_several_buckets_are_one_command_and_none_once_the_first_is_known_to_be_empty(redis: RedisServer):
    async with opened(redis.url) as link:
        throttle = RedisThrottle(link, KEYS)
        wanted = [(name, SLOW) for name in ("one", "two", "three", "four")]
        before = link.commands
        for _ in range(4):
            assert await throttle.take_each(wanted) == 4
        assert link.commands - before == 4
        # The fourth token was the last, and Redis has said so.
        assert [await throttle.take_each(wanted) for _ in range(100)] == [0] * 100
        assert link.commands - before == 4


async def test_on_a_cluster_several_buckets_are_asked_in_their_order(redis_cluster: RedisClusterSet):
    async with opened(redis_cluster.url) as link:
        throttle = RedisThrottle(link, KEYS)
        names = [f"bucket {number}" for number in range(6)]
        wanted = [(name, SLOW) for name in names]
        assert [await throttle.take_each(wanted) for _ in range(3)] == [6] * 3
        assert [await throttle.take("bucket 2", SLOW) for _ in range(2)] == [True, False]
        assert await throttle.take_each(wanted) == 2
        spent = [[await throttle.take(name, SLOW) for _ in range(2)].count(True) for name in names]
        assert spent == [0, 0, 0, 1, 1, 1]
