"""One Link, three kinds of Redis: behind Sentinel and as a cluster, with what only they can do."""

from __future__ import annotations

import asyncio

import pytest

from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet, SentinelSet
from tests.harness.until import until
from tests.stores.redis.links import Notes, opened
from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.redis.link import Link, Script

ECHO = Script("return ARGV[1]")
PUSH = Script("return redis.call('RPUSH', KEYS[1], ARGV[1])")


async def works(link: Link) -> None:
    for number in range(20):
        assert await link.send("SET", f"key {number}", number) == b"OK"


@pytest.mark.slow
async def test_a_killed_master_is_replaced_by_the_one_that_sentinel_names(sentinels: SentinelSet):
    """R-07, as far as the Link goes."""
    async with opened(sentinels.url) as link:
        notes = Notes(link)
        subscribed: list[bool] = []
        link.subscribe("channel", lambda message: None, subscribed.append)
        await works(link)
        before = await sentinels.kill_master()
        with pytest.raises(StoreUnavailable):
            await link.send("PING")
        await sentinels.failed_over(before)
        await until(lambda: notes.back)
        await works(link)
        await until(lambda: subscribed == [True, False])
        assert len(notes.away) == 1


@pytest.mark.slow
async def test_a_failover_on_purpose_is_followed_before_the_old_master_knows(sentinels: SentinelSet):
    """Sentinel tells the old master some ten seconds later; what is written there until then is lost."""
    async with opened(sentinels.url) as link:
        notes = Notes(link)
        subscribed: list[bool] = []
        link.subscribe("channel", lambda message: None, subscribed.append)
        await works(link)
        await until(lambda: subscribed)
        new = await sentinels.failover()
        await until(lambda: notes.back, 3 * SLOWER)
        await works(link)
        assert await new.cli("GET", "key 7") == "7"
        await until(lambda: subscribed == [True, False])
        assert await link.publish("channel", b"hello") == 1


async def test_sentinels_that_are_down_do_not_matter_while_one_answers(sentinels: SentinelSet):
    await sentinels.sentinels[0].kill()
    sentinels.sentinels[1].freeze()
    async with opened(sentinels.url) as link:
        await works(link)


async def test_a_service_that_no_sentinel_knows(sentinels: SentinelSet):
    with pytest.raises(StoreUnavailable, match="knows no service 'other'"):
        await Link(Settings(redis=sentinels.url.replace("/mymaster", "/other"))).open()


@pytest.mark.slow
async def test_a_url_of_the_wrong_kind_is_told_the_right_one(
    sentinels: SentinelSet, redis_cluster: RedisClusterSet, redis: RedisServer
):
    for url, remedy in (
        (f"redis://{sentinels.sentinels[0].address}", r"redis\+sentinel://"),
        (f"redis://{redis_cluster.servers[0].address}", r"redis\+cluster://"),
        (f"redis+cluster://{redis.address}", "redis://"),
    ):
        with pytest.raises(StoreUnavailable, match=remedy):
            await Link(Settings(redis=url)).open()


async def test_a_cluster_gets_each_command_where_its_key_is_and_gives_replies_in_order(redis_cluster: RedisClusterSet):
    # The first address is enough to find the others.
    async with opened(f"redis+cluster://{redis_cluster.servers[0].address}") as link:
        keys = [f"key {number % 50}" for number in range(2000)]
        commands = [
            link.run(PUSH, [key], [number]) if number % 3 else link.send("RPUSH", key, number)
            for number, key in enumerate(keys)
        ]
        assert await asyncio.gather(*commands) == [number // 50 + 1 for number in range(2000)]
        for number in range(50):
            assert await link.send("LRANGE", f"key {number}", 0, -1) == [b"%d" % n for n in range(number, 2000, 50)]
        held = [int(await one.cli("DBSIZE")) for one in redis_cluster.servers]
        assert sum(held) == 50
        assert all(held)
        with pytest.raises(StoreUnavailable, match="CROSSSLOT"):
            await link.send("MSET", "a", "1", "b", "2")
        assert not link.losses


async def test_a_slot_that_moves_is_followed_without_a_loss(redis_cluster: RedisClusterSet):
    async with opened(redis_cluster.url) as link:
        subscribed: list[bool] = []
        messages: list[bytes] = []
        link.subscribe("{key}:bus", messages.append, subscribed.append)
        await until(lambda: subscribed)
        await link.send("SET", "{key}:old", "value")
        slot = await link.send("CLUSTER", "KEYSLOT", "{key}")
        source = await redis_cluster.owner("{key}")
        target = next(one for one in redis_cluster.servers if one is not source)
        source_id, target_id = await source.cli("CLUSTER", "MYID"), await target.cli("CLUSTER", "MYID")

        await target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        await source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        # ASK: what is not there any more is made at the target.
        assert await asyncio.gather(
            link.send("GET", "{key}:old"),
            link.run(PUSH, ["{key}:new"], ["one"]),
            link.run(PUSH, ["{key}:new"], ["two"]),
            link.send("RPUSH", "{key}:new", "three"),
        ) == [b"value", 1, 2, 3]
        await source.cli("MIGRATE", "127.0.0.1", target.port, "{key}:old", 0, 1000)
        for one in (target, source):
            await one.cli("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        # MOVED
        assert await asyncio.gather(
            link.send("GET", "{key}:old"), link.run(PUSH, ["{key}:new"], ["four"]), link.send("LLEN", "{key}:new")
        ) == [b"value", 4, 4]
        # Redis ends the subscription itself; it is made anew at the target.
        await until(lambda: subscribed == [True, False])
        assert await link.publish("{key}:bus", b"hello") == 1
        await until(lambda: messages == [b"hello"])
        assert not link.losses


async def test_a_user_who_must_not_say_asking_loses_that_command_and_no_answer_goes_astray(
    redis_cluster: RedisClusterSet,
):
    for one in redis_cluster.servers:
        await one.cli("ACL", "SETUSER", "poor", "reset", "on", ">pw", "~*", "&*", "+@all", "-asking")
    async with opened(redis_cluster.url.replace("://", "://poor:pw@")) as link:
        source = await redis_cluster.owner("{key}")
        target = next(one for one in redis_cluster.servers if one is not source)
        slot = await link.send("CLUSTER", "KEYSLOT", "{key}")
        await target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", await source.cli("CLUSTER", "MYID"))
        await source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", await target.cli("CLUSTER", "MYID"))
        asked = link.send("GET", "{key}:gone")
        echoes = [link.run(ECHO, [f"key {number}"], [number]) for number in range(100)]
        assert await asyncio.gather(*echoes) == [b"%d" % number for number in range(100)]
        with pytest.raises(StoreUnavailable):
            await asked
        assert not link.losses


async def test_a_cluster_with_one_master_away_is_away_until_it_is_back(redis_cluster: RedisClusterSet):
    async with opened(redis_cluster.url) as link:
        notes = Notes(link)
        await works(link)
        redis_cluster.servers[1].freeze()
        outcomes = await asyncio.gather(*(link.send("GET", f"key {n}") for n in range(50)), return_exceptions=True)
        assert any(isinstance(one, StoreUnavailable) for one in outcomes)
        assert link.away
        redis_cluster.servers[1].thaw()
        await until(lambda: notes.back)
        async with asyncio.timeout(15 * SLOWER):
            while True:  # its failure may just have been found out by the others
                try:
                    await works(link)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.02)
