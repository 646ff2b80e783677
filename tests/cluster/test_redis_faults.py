"""Redis stops, freezes, forgets or fails over: connections stay, and the registry is right again when it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cluster.steps import Scale, begun, only_successes, push_elsewhere, ready
from tests.harness.cluster import ClusterUnderTest
from tests.harness.history import Closed
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet, SentinelSet
from tests.harness.until import until


async def test_subscriptions_are_cut_again_and_again(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-04."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing(pause=0.002), cluster.churning():
            for _ in range(5):
                assert await own_redis.kill_pubsub() >= 1
                since = cluster.now()
                await asyncio.sleep(scale.fault / 5)
                # Nodes reach each other again before the next one.
                await until(lambda: cluster.statuses(since, local=False)[200], 2 * SLOWER)  # noqa: B023
            await only_successes(cluster, 10)
        assert await cluster.verdict(own_redis) == []


async def test_redis_does_not_answer_for_a_while(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-05. Connections stay, local pushes work, others are refused at once, and nobody is held for dead."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, "--redis-seconds", "0.25") as cluster:
        await begun(cluster, scale)
        async with cluster.pushing():
            await asyncio.sleep(scale.calm)
            async with cluster.store_away():
                own_redis.freeze()
                began = cluster.now()
                await asyncio.sleep(scale.fault)
                assert not any([await node.ready() for node in cluster.nodes])
                answer = await push_elsewhere(cluster)
                own_redis.thaw()
                await ready(cluster.nodes, 10)
            during = [
                (asked, answer) for asked, answer in cluster.pushes(began) if asked.at < began + scale.fault - 0.1
            ]
            await only_successes(cluster, 10)
        assert (answer.status, answer.header("retry-after") is not None) == (503, True)
        assert max(answer.at - asked.at for asked, answer in during) < SLOWER
        owners = {client.id: client.node for client in cluster.clients}
        local = {answer.status for asked, answer in during if owners[asked.connection] == asked.via}
        assert local == {200}
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []


async def test_redis_is_emptied_and_starts_again(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-06."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing(), cluster.churning():
            await asyncio.sleep(scale.calm)
            async with cluster.store_away():
                await own_redis.stop()
                await asyncio.sleep(scale.fault)
                await own_redis.restart(empty=True)
                await ready(cluster.nodes, 10)
            await only_successes(cluster, 10)
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []


async def test_redis_is_flushed_under_way(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-06, without a connection that breaks."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing(), cluster.churning():
            async with cluster.store_away():
                await own_redis.flush()
            await asyncio.sleep(scale.calm)
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []


async def test_sentinel_fails_over(sentinels: SentinelSet, tmp_path: Path, scale: Scale):
    """R-07."""
    async with ClusterUnderTest(tmp_path, [sentinels.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing(), cluster.churning():
            await asyncio.sleep(scale.calm)
            async with cluster.store_away():
                killed = await sentinels.kill_master()
                began = cluster.now()
                master = await sentinels.failed_over(killed)
                await ready(cluster.nodes, 15)
            await only_successes(cluster, 15 - (cluster.now() - began))
        await cluster.rebuilt(master, 10)
        assert await cluster.verdict(master) == []


async def test_a_shard_does_not_answer_for_a_while(redis_cluster: RedisClusterSet, tmp_path: Path, scale: Scale):
    """R-05, with a third of Redis: whoever needs it is told so at once, and all is well when it is back."""
    async with ClusterUnderTest(tmp_path, [redis_cluster.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing():
            async with cluster.store_away():
                redis_cluster.servers[0].freeze()
                await asyncio.sleep(1)  # The others would take it for failed after two.
                redis_cluster.servers[0].thaw()
                await ready(cluster.nodes, 10)
            await only_successes(cluster, 10)
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        await cluster.rebuilt(redis_cluster, 10)
        assert await cluster.verdict(redis_cluster) == []


@pytest.mark.soak
async def test_everything_breaks_one_after_the_other(sentinels: SentinelSet, tmp_path: Path, scale: Scale):
    """R-01, R-04, R-05, R-06 and R-07 in one life of a cluster."""
    async with ClusterUnderTest(tmp_path, [sentinels.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.churning(), cluster.pushing():
            await cluster.nodes[0].kill()
            await cluster.all_told(cluster.bounds.lease + 5)
        await cluster.nodes[0].start()
        async with cluster.churning(), cluster.pushing():
            for _ in range(3):
                await asyncio.sleep(scale.fault / 5)
                await (await sentinels.master()).kill_pubsub()
            await only_successes(cluster, 10)
            async with cluster.store_away():
                await sentinels.failover()
                await ready(cluster.nodes, 15)
            await only_successes(cluster, 15)
            async with cluster.store_away():
                frozen = await sentinels.master()
                frozen.freeze()
                master = await sentinels.failed_over(frozen)
                await asyncio.sleep(scale.fault)
                frozen.thaw()
                await ready(cluster.nodes, 15)
            await only_successes(cluster, 15)
            async with cluster.store_away():
                await master.flush()
            await asyncio.sleep(scale.calm)
            await only_successes(cluster, 15)
        await cluster.rebuilt(master, 10)
        assert await cluster.verdict(master) == []
