"""What is particular to the cache in Redis: shared by nodes, one command each, digests for keys, honest without it."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet
from tests.harness.until import until
from tests.stores.redis.links import opened
from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.chosen import stores_for
from wsgw.stores.redis.cache import RedisCache
from wsgw.stores.redis.keys import Keys

KEYS = Keys("test")


async def test_nodes_share_what_one_puts_and_another_flushes(redis: RedisServer):
    async with opened(redis.url) as here, opened(redis.url) as there:
        one, other = RedisCache(here, KEYS), RedisCache(there, KEYS)
        await one.put("group", "key", b"value", 60)
        assert await other.get("group", "key") == b"value"
        await other.flush("group")
        assert await one.get("group", "key") is None
        await one.put("group", "key", b"ticket", 60)
        taken = await asyncio.gather(*(node.take("group", "key") for node in (one, other) * 20))
        assert taken.count(b"ticket") == 1
        assert taken.count(None) == 39


async def test_every_look_up_is_one_command_and_those_of_one_turn_go_out_together(redis: RedisServer):
    async with opened(redis.url) as link:
        cache = RedisCache(link, KEYS)
        await cache.put("group", "key", b"value", 60)
        commands, batches = link.commands, link.batches
        await asyncio.gather(*(cache.get("group", "key") for _ in range(100)))
        assert (link.commands - commands, link.batches - batches) == (100, 1)
        await cache.take("group", "key")
        await cache.put("group", "key", b"value", 60)
        await cache.flush("group")
        assert link.commands - commands == 103


async def test_redis_sees_no_key_of_a_caller(redis: RedisServer):
    """Identity sources are tokens."""
    async with opened(redis.url) as link:
        await RedisCache(link, KEYS).put("api/stage", "Bearer secret", b"value", 60)
    names = await redis.cli("KEYS", "*")
    assert len(names) == 2
    assert not any("secret" in str(name) for name in names)


async def test_all_that_it_writes_expires_the_generation_with_the_last_entry(redis: RedisServer):
    async with opened(redis.url) as link:
        cache = RedisCache(link, KEYS)
        for seconds in (10, 300, 60):
            await cache.put("group", str(seconds), b"value", seconds)
        generation = int(await redis.cli("PTTL", KEYS.generation("group")))
        assert 290_000 < generation <= 300_000
        assert max([int(await redis.cli("PTTL", name)) for name in await redis.cli("KEYS", "*")]) <= generation + 50


async def test_an_evicted_generation_forgets_its_group_for_good(redis: RedisServer):
    async with opened(redis.url) as link:
        cache = RedisCache(link, KEYS)
        await cache.put("group", "old", b"value", 60)
        await redis.cli("DEL", KEYS.generation("group"))
        assert await cache.get("group", "old") is None
        await cache.put("group", "new", b"value", 60)
        assert await cache.get("group", "old") is None
        assert await cache.get("group", "new") == b"value"


@pytest.mark.parametrize(
    "command", [("SET", "x"), ("SET", ""), ("RPUSH", "x"), ("SADD", "x")], ids=["text", "nothing", "a list", "a set"]
)
@pytest.mark.parametrize("where", ["generation", "entry"])
async def test_what_somebody_else_wrote_is_no_value_and_makes_way(
    redis: RedisServer, command: tuple[str, str], where: str
):
    """S-61"""
    async with opened(redis.url) as link:
        cache = RedisCache(link, KEYS)
        await cache.put("group", "key", b"value", 60)
        (entry,) = [name for name in await redis.cli("KEYS", "*") if not str(name).endswith("}")]
        name = KEYS.generation("group") if where == "generation" else entry
        await redis.cli("DEL", name)
        await redis.cli(command[0], name, command[1])
        assert await cache.get("group", "key") is None
        assert await cache.take("group", "key") is None
        await cache.put("group", "key", b"again", 60)
        assert await cache.get("group", "key") == b"again"
        assert not link.refused


async def test_groups_are_spread_over_a_cluster(redis_cluster: RedisClusterSet):
    async with opened(redis_cluster.url) as link:
        cache = RedisCache(link, KEYS)
        await asyncio.gather(*(cache.put(f"group {number}", "key", b"value", 60) for number in range(50)))
        found = await asyncio.gather(*(cache.get(f"group {number}", "key") for number in range(50)))
        assert found == [b"value"] * 50
        await asyncio.gather(*(cache.flush(f"group {number}") for number in range(0, 50, 2)))
        taken = await asyncio.gather(*(cache.take(f"group {number % 50}", "key") for number in range(100)))
        assert taken == [None, b"value"] * 25 + [None] * 50
        assert all([int(await one.cli("DBSIZE")) for one in redis_cluster.servers])


async def test_without_redis_it_says_so_at_once_and_works_again_when_redis_is_back(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        cache = RedisCache(link, KEYS)
        await own_redis.stop()
        began = time.monotonic()
        for call in (
            lambda: cache.get("group", "key"),
            lambda: cache.put("group", "key", b"value", 60),
            lambda: cache.put("group", "key", b"value", 0),
            lambda: cache.take("group", "key"),
            lambda: cache.flush("group"),
        ):
            with pytest.raises(StoreUnavailable):
                await call()
        assert time.monotonic() - began < SLOWER
        await own_redis.restart()
        await until(lambda: not link.away)
        await cache.put("group", "key", b"value", 60)
        assert await cache.get("group", "key") == b"value"


async def test_a_gateway_with_redis_keeps_its_cache_there(redis: RedisServer):
    stores = stores_for(Settings(redis=redis.url), lambda: "node", time.monotonic)
    assert isinstance(stores.cache, RedisCache)
