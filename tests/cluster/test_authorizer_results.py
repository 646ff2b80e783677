"""What an authorizer has answered on one node is known on all, until it is flushed; without Redis it is asked more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.harness.backend import Backend
from tests.harness.fault_proxy import FaultProxy
from tests.harness.guarded_cluster import Door, GuardedCluster, get, tell
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet

FLUSH = "/restapis/pets/stages/dev/cache/authorizers"


@pytest.fixture
def door(backend: Backend) -> Door:
    return Door(backend)


async def asked(node: NodeUnderTest, token: str = "ada") -> int:
    return await get(node, "/guarded", x_token=token)


async def becomes(asking: Callable[[], Awaitable[int]], status: int, seconds: float = 5 * SLOWER) -> None:
    async with asyncio.timeout(seconds):
        while await asking() != status:
            await asyncio.sleep(0.02)


async def test_the_authorizer_is_asked_once_for_all_nodes(own_redis: RedisServer, tmp_path: Path, door: Door):
    async with GuardedCluster(tmp_path, [own_redis.url] * 3, door) as cluster:
        for _ in range(2):
            assert [await asked(node) for node in cluster.nodes] == [200] * 3
        door.denied = {"eve"}
        assert [await asked(node, "eve") for node in cluster.nodes] == [403] * 3
        assert door.asked == {"ada": 1, "eve": 1}


async def test_a_node_that_starts_later_knows_what_the_others_have_learnt(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    async with GuardedCluster(tmp_path, [own_redis.url] * 2, door) as cluster:
        first, second = cluster.nodes
        assert await asked(first) == 200
        await first.kill()
        await first.start()
        assert [await asked(first), await asked(second)] == [200, 200]
        assert door.asked == {"ada": 1}


async def test_a_flush_reaches_all_nodes(own_redis: RedisServer, tmp_path: Path, door: Door):
    async with GuardedCluster(tmp_path, [own_redis.url] * 3, door) as cluster:
        assert [await asked(node) for node in cluster.nodes] == [200] * 3
        door.denied = {"ada"}
        assert (await tell(cluster.nodes[0].control, "DELETE", FLUSH)).status == 202
        for node in cluster.nodes:
            await becomes(lambda: asked(node), 403, 2 * SLOWER)  # noqa: B023
        # One question does for all; but a node that asks before it has heard of the flush keeps what it learns.
        assert 2 <= door.asked["ada"] <= 4


async def test_a_flush_reaches_all_nodes_of_a_redis_cluster(redis_cluster: RedisClusterSet, tmp_path: Path, door: Door):
    async with GuardedCluster(tmp_path, [redis_cluster.url] * 3, door) as cluster:
        assert [await asked(node) for node in cluster.nodes] == [200] * 3
        assert door.asked == {"ada": 1}
        door.denied = {"ada"}
        assert (await tell(cluster.nodes[0].control, "DELETE", FLUSH)).status == 202
        for node in cluster.nodes:
            await becomes(lambda: asked(node), 403, 2 * SLOWER)  # noqa: B023


async def test_a_flush_reaches_a_node_that_did_not_hear_of_it(
    own_redis: RedisServer, proxies: list[FaultProxy], tmp_path: Path, door: Door
):
    """The announcement is lost: its subscription had ended, and comes back only later."""
    async with GuardedCluster(tmp_path, [f"redis://{proxy.address}" for proxy in proxies], door) as cluster:
        first, deaf = cluster.nodes[:2]
        assert [await asked(node) for node in (first, deaf)] == [200] * 2
        proxies[1].refuse()
        await own_redis.kill_pubsub()
        door.denied = {"ada"}
        assert (await tell(first.control, "DELETE", FLUSH)).status == 202
        await becomes(lambda: asked(first), 403)
        proxies[1].heal()
        await becomes(lambda: asked(deaf), 403)


async def test_what_was_asked_before_a_flush_is_known_to_no_node_after_it(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    async with GuardedCluster(tmp_path, [own_redis.url] * 2, door) as cluster:
        first, second = cluster.nodes
        assert [await asked(node, "bob") for node in cluster.nodes] == [200] * 2
        door.open.clear()
        late = asyncio.create_task(asked(second))
        async with asyncio.timeout(5):
            while not door.asked["ada"]:
                await asyncio.sleep(0.01)
        assert (await tell(first.control, "DELETE", FLUSH)).status == 202
        # Once `second` has heard of it, it asks again about whom it knew.
        door.open.set()
        assert await late == 200
        door.denied = {"ada", "bob"}
        await becomes(lambda: asked(second, "bob"), 403)
        assert [await asked(node) for node in cluster.nodes] == [403] * 2


@pytest.mark.parametrize("fault", ["stopped", "frozen"])
async def test_without_redis_authorization_goes_on_and_is_not_shared(
    own_redis: RedisServer, tmp_path: Path, door: Door, fault: str
):
    """Nobody is let in whom the authorizer does not let in, and nobody is kept out whom it does."""
    async with GuardedCluster(tmp_path, [own_redis.url] * 2, door) as cluster:
        assert await asked(cluster.nodes[0]) == 200
        await own_redis.stop() if fault == "stopped" else own_redis.freeze()
        assert [await asked(node) for node in cluster.nodes] == [200] * 2
        assert door.asked == {"ada": 2}
        door.denied = {"eve", "ada"}
        assert [await asked(node, "eve") for node in cluster.nodes] == [403] * 2
        # What a node has learnt is good for it as long as it would be with Redis.
        assert [await asked(node) for node in cluster.nodes] == [200] * 2
        assert door.asked == {"ada": 2, "eve": 2}
        for node in cluster.nodes:
            assert [await cluster.status(node, token) for token in ("bob", "eve")] == [101, 403]
            assert (await tell(node.control, "DELETE", FLUSH)).status == 503
        await own_redis.restart() if fault == "stopped" else own_redis.thaw()
        async with asyncio.timeout(20):
            while not all([await node.ready() for node in cluster.nodes]):
                await asyncio.sleep(0.05)
        assert [await asked(node, "kim") for node in cluster.nodes] == [200] * 2
        assert door.asked["kim"] == 1


async def test_a_shard_that_does_not_answer_costs_calls_of_the_authorizer_alone(
    redis_cluster: RedisClusterSet, tmp_path: Path, door: Door
):
    async with GuardedCluster(tmp_path, [redis_cluster.url] * 2, door) as cluster:
        assert [await asked(node) for node in cluster.nodes] == [200] * 2
        door.denied = {"eve"}
        for shard in redis_cluster.servers:
            shard.freeze()
        assert [await asked(node, token) for node in cluster.nodes for token in ("bob", "eve")] == [200, 403] * 2
        for shard in redis_cluster.servers:
            shard.thaw()
