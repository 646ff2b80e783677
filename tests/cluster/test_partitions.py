"""The network between nodes and Redis breaks while both live."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.cluster.steps import Scale, begun, closed, only_successes, ready, taken_over
from tests.harness.cluster import ClusterUnderTest
from tests.harness.fault_proxy import FaultProxy
from tests.harness.history import Closed
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer


async def test_a_node_has_half_open_connections_to_redis(
    own_redis: RedisServer, proxies: list[FaultProxy], tmp_path: Path, scale: Scale
):
    """R-08. The node finds out within two heartbeats of the bus; the others do not hold it for dead so soon."""
    urls = [f"redis://{proxy.address}" for proxy in proxies]
    options = ("--bus-heartbeat-seconds", "0.5")
    async with ClusterUnderTest(tmp_path, urls, *options, lease=6) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing():
            async with cluster.store_away():
                proxies[0].blackhole()
                async with asyncio.timeout(2 * 0.5 + 0.5 * SLOWER):
                    while await cluster.nodes[0].ready():
                        await asyncio.sleep(0.02)
                assert await cluster.nodes[1].ready()
                await asyncio.sleep(1)
                proxies[0].heal()
                await ready(cluster.nodes, 10)
            await only_successes(cluster, 10)
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        assert await cluster.verdict(own_redis) == []


async def test_redis_comes_back_to_one_node_after_the_other(
    own_redis: RedisServer, proxies: list[FaultProxy], tmp_path: Path, scale: Scale
):
    """R-05. Who finds it again first sees the leases of the others as old as they were: they are not dead for that."""
    async with ClusterUnderTest(tmp_path, [f"redis://{proxy.address}" for proxy in proxies]) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing():
            async with cluster.store_away():
                for proxy in proxies:
                    proxy.blackhole()
                await asyncio.sleep(scale.fault)
                for proxy in proxies:
                    proxy.heal()
                    await asyncio.sleep(0.4)
                await ready(cluster.nodes, 10)
            await only_successes(cluster, 10)
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []


async def test_a_node_is_cut_off_from_redis_until_the_others_hold_it_for_dead(
    own_redis: RedisServer, proxies: list[FaultProxy], tmp_path: Path, scale: Scale
):
    """R-13."""
    urls = [f"redis://{proxy.address}" for proxy in proxies]
    async with ClusterUnderTest(tmp_path, urls) as cluster:
        cluster.bounds = replace(cluster.bounds, fenced=scale.fault + 5 * SLOWER)
        await begun(cluster, scale)
        cut_off = cluster.clients_of(cluster.nodes[0])
        async with cluster.pushing():
            async with cluster.store_away():
                cluster.nodes[0].is_lost()
                proxies[0].blackhole()
                await asyncio.sleep(scale.fault / 2)
                await taken_over(cluster.nodes[1:])
                proxies[0].heal()
                await ready(cluster.nodes, 10)
            await closed(cut_off, 5)
            await only_successes(cluster, 10)
        codes = {event.code for event in cluster.history if isinstance(event, Closed)}
        assert codes == {1012}
        await cluster.connect(10, cluster.nodes[0])
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []
