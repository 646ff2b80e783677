"""Whatever breaks, a cluster keeps its promises: its history is checked after each fault.

Every run has three nodes, clients that come and go, and callers that push from every node to all connections. The short
forms run with all tests; the long ones, with 1,000 clients and faults as long as they last in practice, by `make soak`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness.cluster import ClusterUnderTest
from tests.harness.fault_proxy import FaultProxy
from tests.harness.fleet import Client
from tests.harness.history import Closed
from tests.harness.node import NodeUnderTest
from tests.harness.raw_websocket import Response, exchange
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet, SentinelSet


class Scale(NamedTuple):
    """How many clients, how long a fault lasts, and how long things go well before and after it."""

    clients: int
    fault: float
    calm: float


@pytest.fixture(
    params=[
        pytest.param(Scale(120, 3, 0.5), marks=pytest.mark.slow, id="short"),
        pytest.param(Scale(1000, 10, 5), marks=[pytest.mark.soak, pytest.mark.timeout(600)], id="long"),
    ]
)
def scale(request: pytest.FixtureRequest) -> Scale:
    chosen: Scale = request.param
    return chosen


async def begun(cluster: ClusterUnderTest, scale: Scale) -> None:
    """Clients on all nodes, some that were not let in, and everybody listed."""
    await cluster.connect(scale.clients)
    await cluster.be_refused(3)
    await asyncio.sleep(scale.calm)


async def ready(nodes: list[NodeUnderTest], seconds: float) -> None:
    """Wait until they all say so."""
    async with asyncio.timeout(seconds):
        while not all([await node.ready() for node in nodes]):
            await asyncio.sleep(0.05)


async def only_successes(cluster: ClusterUnderTest, seconds: float) -> None:
    """Wait until, for half a second, every push has been answered with what happened: nothing is 503 any more."""
    async with asyncio.timeout(seconds):
        while True:
            since = cluster.now()
            await asyncio.sleep(0.5)
            statuses = cluster.statuses(since)
            if statuses[200] and not statuses[503]:
                return


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


async def test_subscriptions_are_cut_again_and_again(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-04."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
        await begun(cluster, scale)
        async with cluster.pushing(pause=0.002), cluster.churning():
            for _ in range(5):
                await asyncio.sleep(scale.fault / 5)
                assert await own_redis.kill_pubsub() >= 1
            await only_successes(cluster, 10)
        statuses = cluster.statuses(local=False)
        assert statuses[200] > statuses[503]
        assert await cluster.verdict(own_redis) == []


async def test_redis_does_not_answer_for_a_while(own_redis: RedisServer, tmp_path: Path, scale: Scale):
    """R-05. Connections stay, local pushes work, others are refused at once, and nobody is held for dead."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
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
        assert max(answer.at - asked.at for asked, answer in during) < 1
        owners = {client.id: client.node for client in cluster.clients}
        local = {answer.status for asked, answer in during if owners[asked.connection] == asked.via}
        assert local == {200}
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []


async def push_elsewhere(cluster: ClusterUnderTest) -> Response:
    """The answer of the first node to a push to a connection of the second."""
    asked, owner = cluster.nodes[:2]
    target = cluster.clients_of(owner)[0].id.replace("=", "%3D")
    host = asked.url.removeprefix("http://")
    head = f"POST /prod/@connections/{target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n{{}}"
    return await exchange(asked.url, head.encode())


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


@pytest.fixture
async def proxies(own_redis: RedisServer) -> AsyncIterator[list[FaultProxy]]:
    """Three of them, one for each node, to the same Redis."""
    async with AsyncExitStack() as stack:
        yield [stack.enter_context(FaultProxy("127.0.0.1", own_redis.port)) for _ in range(3)]


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
                async with asyncio.timeout(2 * 0.5 + 0.5):
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
        cluster.bounds = replace(cluster.bounds, fenced=scale.fault + 5)
        await begun(cluster, scale)
        cut_off = cluster.clients_of(cluster.nodes[0])
        async with cluster.pushing():
            async with cluster.store_away():
                cluster.nodes[0].is_lost()
                proxies[0].blackhole()
                await asyncio.sleep(scale.fault)
                proxies[0].heal()
                await ready(cluster.nodes, 10)
            await closed(cut_off, 5)
            await only_successes(cluster, 10)
        codes = {event.code for event in cluster.history if isinstance(event, Closed)}
        assert codes == {1012}
        await cluster.connect(10, cluster.nodes[0])
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []


async def test_a_node_stands_still_until_the_others_hold_it_for_dead(
    own_redis: RedisServer, tmp_path: Path, scale: Scale
):
    """R-13, with a process that sleeps in place of a network that is cut."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3) as cluster:
        cluster.bounds = replace(cluster.bounds, fenced=scale.fault + 5)
        await begun(cluster, scale)
        asleep = cluster.clients_of(cluster.nodes[0])
        async with cluster.pushing():
            cluster.nodes[0].pause()
            await asyncio.sleep(scale.fault)
            cluster.nodes[0].go_on()
            await closed(asleep, 5)
            await ready(cluster.nodes, 10)
            await only_successes(cluster, 10)
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []


async def closed(clients: Iterable[Client], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while any(client.open for client in clients):
            await asyncio.sleep(0.02)


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
