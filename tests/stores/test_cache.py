"""The contract of every Cache: the fixture gives one in memory, one in a real Redis. SQLite's gateways use memory.

The clock of Redis cannot be set. There, time passes by taking as much off the expiry of every key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.memory import resident
from tests.harness.redis_server import RedisServer
from tests.stores.redis.links import opened
from wsgw.stores.base import Cache
from wsgw.stores.memory_cache import MemoryCache
from wsgw.stores.redis.cache import RedisCache
from wsgw.stores.redis.keys import Keys

Pass = Callable[[float], Awaitable[None]]


class Clocked:
    """A Cache, and `pass_`, which lets time pass."""

    def __init__(self, cache: Cache, pass_: Pass) -> None:
        self.get, self.put, self.take, self.flush = cache.get, cache.put, cache.take, cache.flush
        self.pass_ = pass_


def in_memory() -> Clocked:
    now = [1000.0]

    async def pass_(seconds: float) -> None:
        now[0] += seconds

    return Clocked(MemoryCache(lambda: now[0]), pass_)


async def pass_in(server: RedisServer, seconds: float) -> None:
    for key in await server.cli("KEYS", "*"):
        left = int(await server.cli("PTTL", key))
        assert left > 0, f"{key} has no expiry"
        await server.cli("PEXPIRE", key, int(left - seconds * 1000))


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest, redis: RedisServer) -> AsyncIterator[Clocked]:
    if request.param == "memory":
        yield in_memory()
        return
    async with opened(redis.url) as link:
        yield Clocked(RedisCache(link, Keys("test")), lambda seconds: pass_in(redis, seconds))


async def test_what_was_put_is_there_and_nothing_else(cache: Clocked):
    await cache.put("group", "key", b"value", 60)
    assert await cache.get("group", "key") == b"value"
    assert await cache.get("group", "other") is None
    assert await cache.get("other", "key") is None


@pytest.mark.parametrize("value", [b"", b"\x00\xff\r\n", b"x" * 100_000])
async def test_a_value_is_any_bytes(cache: Clocked, value: bytes):
    await cache.put("group", "key", value, 60)
    assert await cache.get("group", "key") == value


@pytest.mark.parametrize("key", ["", "a:b", "{a}", "}{", "ключ", "x" * 20_000, "\ud800", "a b\r\nc"])
async def test_a_key_is_any_text(cache: Clocked, key: str):
    await cache.put("group", key, b"value", 60)
    assert await cache.get("group", key) == b"value"
    assert await cache.get("group", key + "'") is None


@pytest.mark.parametrize("group", ["", "{", "}", "{}", "a/b/{c}", "ключ"])
async def test_a_group_is_any_text(cache: Clocked, group: str):
    await cache.put(group, "key", b"value", 60)
    assert await cache.take(group, "key") == b"value"
    await cache.put(group, "key", b"value", 60)
    await cache.flush(group)
    assert await cache.get(group, "key") is None


async def test_a_value_ends_with_its_time(cache: Clocked):
    await cache.put("group", "key", b"value", 60)
    await cache.pass_(50)
    assert await cache.get("group", "key") == b"value"
    await cache.pass_(11)
    assert await cache.get("group", "key") is None
    assert await cache.take("group", "key") is None


async def test_a_value_put_again_has_its_new_time(cache: Clocked):
    await cache.put("group", "key", b"short", 600)
    await cache.put("group", "key", b"long", 60)
    assert await cache.get("group", "key") == b"long"
    await cache.pass_(61)
    assert await cache.get("group", "key") is None


@pytest.mark.parametrize("seconds", [0, -1, 0.0001])
async def test_no_time_is_no_value(cache: Clocked, seconds: float):
    await cache.put("group", "key", b"before", 60)
    await cache.put("group", "key", b"value", seconds)
    await cache.pass_(0.001)
    assert await cache.get("group", "key") is None


async def test_what_was_taken_is_gone(cache: Clocked):
    await cache.put("group", "key", b"value", 60)
    assert await cache.take("group", "key") == b"value"
    assert await cache.take("group", "key") is None
    assert await cache.get("group", "key") is None


async def test_of_many_who_take_at_once_one_gets_it(cache: Clocked):
    """A ticket lets one connection in."""
    await cache.put("tickets", "one", b"somebody", 60)
    taken = await asyncio.gather(*(cache.take("tickets", "one") for _ in range(100)))
    assert (taken.count(b"somebody"), taken.count(None)) == (1, 99)


async def test_a_group_is_forgotten_as_a_whole_and_no_other(cache: Clocked):
    for group in ("one", "other"):
        for key in "abc":
            await cache.put(group, key, b"value", 60)
    await cache.flush("one")
    assert [await cache.get("one", key) for key in "abc"] == [None] * 3
    assert [await cache.get("other", key) for key in "abc"] == [b"value"] * 3
    await cache.put("one", "a", b"new", 60)
    assert [await cache.get("one", key) for key in "abc"] == [b"new", None, None]
    assert await cache.take("one", "b") is None


async def test_what_was_forgotten_does_not_come_back_when_shorter_entries_end(cache: Clocked):
    """The longest-lived entry is older than all that came after the flush, and outlives them."""
    await cache.put("group", "long", b"old", 3600)
    await cache.flush("group")
    await cache.put("group", "short", b"new", 1)
    await cache.pass_(2)
    assert await cache.get("group", "long") is None
    await cache.put("group", "short", b"new", 1)
    assert await cache.get("group", "long") is None


async def test_a_short_entry_does_not_take_a_longer_one_with_it(cache: Clocked):
    await cache.put("group", "short", b"1", 1)
    await cache.put("group", "long", b"2", 3600)
    await cache.put("group", "short", b"1", 1)
    await cache.pass_(2)
    assert await cache.get("group", "long") == b"2"


async def test_to_forget_what_is_not_there_is_nothing(cache: Clocked):
    await cache.flush("nobody")
    assert await cache.get("nobody", "key") is None


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["get", "put", "take", "flush"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["a", "b"]),
        st.binary(max_size=9),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
async def test_any_row_of_acts_gives_what_a_dictionary_gives(cache: Clocked, acts: list[tuple[str, str, str, bytes]]):
    run = str(uuid4())
    known: dict[tuple[str, str], bytes] = {}
    for act, group, key, value in acts:
        if act == "put":
            await cache.put(group + run, key, value, 60)
            known[group, key] = value
        elif act == "flush":
            await cache.flush(group + run)
            known = {place: kept for place, kept in known.items() if place[0] != group}
        elif act == "take":
            assert await cache.take(group + run, key) == known.pop((group, key), None)
        else:
            assert await cache.get(group + run, key) == known.get((group, key))


async def test_memory_is_bounded_and_the_oldest_go_first():
    cache = MemoryCache(lambda: 0.0, most=10)
    for number in range(30):
        await cache.put("group", str(number), b"", 60)
    assert [number for number in range(30) if await cache.get("group", str(number)) is not None] == list(range(20, 30))


async def test_memory_is_bounded_in_bytes_too():
    cache = MemoryCache(lambda: 0.0, most_bytes=100_000)
    for number in range(30):
        await cache.put("group", str(number), bytes(10_000), 60)
    assert [number for number in range(30) if await cache.get("group", str(number)) is not None] == list(range(21, 30))


async def test_the_size_is_right_whatever_happens():
    cache = MemoryCache(lambda: 0.0)
    for number in range(100):
        await cache.put(f"group {number % 3}", str(number % 10), bytes(number), 60)
        await cache.take(f"group {number % 2}", str(number % 7))
    assert cache._size > 0
    for number in range(3):
        await cache.flush(f"group {number}")
    assert (cache._size, cache._entries) == (0, {})


async def test_an_entry_takes_no_more_memory_than_it_says():
    """A JSON library's buffer is many times what was written into it: 100,000 small values took 400 MB."""
    cache = MemoryCache(lambda: 0.0)
    before = resident()
    for number in range(20_000):
        await cache.put("group", f"{number:064}", orjson.dumps([1e9, {"principalId": "somebody", "context": {}}]), 60)
    assert resident() - before < 2 * cache._size
