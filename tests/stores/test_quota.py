"""The contract of every Quota store: the fixture gives one in memory, one in SQLite, one in a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.redis_server import RedisServer
from wsgw.settings import Settings
from wsgw.stores.base import Quota
from wsgw.stores.memory_quota import MemoryQuota
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.quota import RedisQuota
from wsgw.stores.sqlite.database import Database
from wsgw.stores.sqlite.quota import SqliteQuota

MONTH = "2026-11"
LATER = time.time() + 3600


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def quota(request: pytest.FixtureRequest, tmp_path: Path, redis: RedisServer) -> AsyncIterator[Quota]:
    if request.param == "memory":
        yield MemoryQuota()
    elif request.param == "sqlite":
        database = Database(tmp_path / "data")
        await database.open()
        store = SqliteQuota(database)
        await store.open()
        yield store
        await store.close()
        await database.close()
    else:
        link = Link(Settings(redis=redis.url, redis_seconds=1))
        await link.open()
        yield RedisQuota(link, Keys("test"))
        await link.close()


async def test_nothing_is_used_at_first(quota: Quota):
    assert await quota.used(["key", "other"], MONTH) == {"key": 0, "other": 0}


async def test_each_count_gives_the_sum_so_far(quota: Quota):
    assert [await quota.add("key", MONTH, amount, LATER) for amount in (1, 2, 5)] == [1, 3, 8]
    assert await quota.used(["key", "other"], MONTH) == {"key": 8, "other": 0}


async def test_keys_and_periods_are_apart(quota: Quota):
    await quota.add("key", MONTH, 1, LATER)
    await quota.add("key", "2026-12", 2, LATER)
    await quota.add("other", MONTH, 4, LATER)
    assert await quota.used(["key", "other"], MONTH) == {"key": 1, "other": 4}
    assert await quota.used(["key"], "2026-12") == {"key": 2}


async def test_counts_at_once_are_all_counted_and_each_sum_is_given_once(quota: Quota):
    sums = await asyncio.gather(*(quota.add("key", MONTH, 1, LATER) for _ in range(500)))
    assert sorted(sums) == list(range(1, 501))


async def test_nothing_asked_is_nothing_answered(quota: Quota):
    assert await quota.used([], MONTH) == {}


ADDS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2"]), st.integers(0, 2**40)), max_size=20)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(adds=ADDS)
async def test_any_row_of_counts_gives_the_sums_of_a_counter(quota: Quota, adds: list[tuple[str, str, int]]):
    run = str(uuid4())
    expected: Counter[tuple[str, str]] = Counter()
    for key, period, amount in adds:
        expected[key, period] += amount
        assert await quota.add(key, period + run, amount, LATER) == expected[key, period]
    for period in ("1", "2"):
        assert await quota.used("abc", period + run) == {key: expected[key, period] for key in "abc"}


async def test_several_nodes_share_the_sums_in_redis_and_each_is_exact(redis: RedisServer):
    links = [Link(Settings(redis=redis.url, redis_seconds=1)) for _ in range(3)]
    for link in links:
        await link.open()
    nodes = [RedisQuota(link, Keys("test")) for link in links]
    sums = await asyncio.gather(*(nodes[n % 3].add("key", MONTH, 1, LATER) for n in range(300)))
    assert sorted(sums) == list(range(1, 301))
    for link in links:
        await link.close()


async def test_an_addition_that_has_a_name_is_made_once_in_redis_by_whoever_makes_it(redis: RedisServer):
    links = [Link(Settings(redis=redis.url, redis_seconds=1)) for _ in range(2)]
    for link in links:
        await link.open()
    one, other = (RedisQuota(link, Keys("test")) for link in links)
    assert [await node.add("key", MONTH, 5, LATER, once="a") for node in (one, other, one)] == [5, 5, 5]
    assert await other.add("key", MONTH, 1, LATER, once="b") == 6
    assert await other.add("key", "2026-12", 2, LATER, once="c") == 2
    assert await one.used(["key"], MONTH) == {"key": 6}
    assert 0 < int(await redis.cli("TTL", Keys("test").quota_once("key", "a"))) <= 86_400
    for link in links:
        await link.close()


async def test_redis_forgets_a_sum_when_it_expires_and_not_a_second_early(redis: RedisServer):
    link = Link(Settings(redis=redis.url, redis_seconds=1))
    await link.open()
    await RedisQuota(link, Keys("test")).add("key", MONTH, 1, 4_102_444_800.25)
    assert await redis.cli("EXPIRETIME", Keys("test").quota("key", MONTH)) == 4_102_444_801
    await link.close()


async def test_memory_forgets_what_has_expired_once_there_are_many():
    now = 0.0
    quota = MemoryQuota(lambda: now)
    for number in range(1024):
        await quota.add(f"key{number}", MONTH, 1, expires=100)
    now = 101.0
    await quota.add("key0", "2026-12", 1, expires=200)
    assert await quota.used(["key0", "key1"], MONTH) == {"key0": 0, "key1": 0}
