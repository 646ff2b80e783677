"""Nodes are killed, or stand still: the others tell of their clients, and no push that was answered 200 is missing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.cluster.steps import Scale, begun, closed, only_successes, ready, taken_over
from tests.harness.cluster import ClusterUnderTest
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet


async def test_a_node_is_killed(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-01."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing(), cluster.churning():
            await asyncio.sleep(scale.calm)
            lost = cluster.clients_of(cluster.nodes[0])
            await cluster.nodes[0].kill()
            await cluster.all_told(cluster.bounds.lease + 5)
            assert lost
            await asyncio.sleep(scale.calm)
        await cluster.rebuilt(own_redis, 5)
        assert await cluster.verdict(own_redis) == []


async def test_a_killed_node_comes_back(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-01, again and again."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.churning():
            for node in cluster.nodes:
                async with cluster.pushing():
                    await asyncio.sleep(scale.calm)
                    await node.kill()
                    await asyncio.sleep(scale.calm)
                await node.start()
                await cluster.connect(scale.clients // 10, node)
            async with cluster.pushing():
                await only_successes(cluster, 10)
        assert await cluster.verdict(own_redis) == []


async def test_a_node_stands_still_until_the_others_hold_it_for_dead(
    own_redis: RedisServer, tmp_path: Path, scale: Scale
):
    """R-13, with a process that sleeps in place of a network that is cut."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
        cluster.bounds = replace(cluster.bounds, fenced=scale.fault + 5 * SLOWER)
        await begun(cluster, scale)
        asleep = cluster.clients_of(cluster.nodes[0])
        async with cluster.pushing():
            cluster.nodes[0].pause()
            await asyncio.sleep(scale.fault / 2)
            await taken_over(cluster.nodes[1:])
            cluster.nodes[0].go_on()
            await closed(asleep, 5)
            await ready(cluster.nodes, 10)
            await only_successes(cluster, 10)
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []


async def test_the_backend_is_down_while_a_node_is_killed(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-01 and R-22 together: what a dead node owed, and what the others owe, arrives when the backend is back."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, "--disconnect-backoff-seconds", "1") as cluster:
        await begun(cluster, scale)
        cluster.backend.down = True
        for client in cluster.clients_of(cluster.nodes[1])[:10]:
            client.close(4001)
        await cluster.nodes[0].kill()
        await asyncio.sleep(scale.fault)
        assert cluster.untold()
        cluster.backend.down = False
        await cluster.all_told(30)
        assert await cluster.verdict(own_redis) == []


async def test_a_node_is_killed_on_a_cluster_of_three_shards(
    redis_cluster: RedisClusterSet, tmp_path: Path, scale: Scale
):
    """R-01, with books and channels spread over shards."""
    async with ClusterUnderTest(tmp_path, [redis_cluster.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing(), cluster.churning():
            await only_successes(cluster, 10)
            await cluster.nodes[0].kill()
            await cluster.all_told(cluster.bounds.lease + 5)
            await asyncio.sleep(scale.calm)
        assert cluster.statuses(local=False)[200]
        await cluster.rebuilt(redis_cluster, 10)
        assert await cluster.verdict(redis_cluster) == []
