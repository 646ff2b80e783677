"""Connect tickets and the ends of tokens, over several nodes."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.harness.backend import Backend
from tests.harness.guarded_cluster import APIS, Door, GuardedCluster, tell
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet


@pytest.fixture
def door(backend: Backend) -> Door:
    return Door(backend)


async def ordered(node: NodeUnderTest, principal: str = "grace", **members: object) -> str:
    """A ticket that this node has issued."""
    answer = await tell(node.url, "POST", "/prod/@tickets", {"principalId": principal, **members})
    assert answer.status == 200, answer.body
    ticket: str = answer.json()["ticket"]
    return ticket


async def race(cluster: GuardedCluster, ticket: str) -> Counter[int]:
    """Five clients at each node show the same ticket at once."""
    nodes = cluster.nodes * 5
    return Counter(await asyncio.gather(*(cluster.status(node, query=f"?ticket={ticket}") for node in nodes)))


async def test_a_ticket_of_one_node_is_good_on_another_and_once_over_all_of_them(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    """S-16, in a race of fifteen, ten times."""
    async with GuardedCluster(tmp_path, [own_redis.url] * 3, door) as cluster:
        for number in range(10):
            ticket = await ordered(cluster.nodes[number % 3])
            assert await race(cluster, ticket) == {101: 1, 401: 14}
        client = await cluster.enter(cluster.nodes[1], query=f"?ticket={await ordered(cluster.nodes[0])}")
        await client.send_json({"action": "who"})
        assert await client.receive_json() == {"who": "grace"}
        assert not door.asked


async def test_over_a_redis_cluster_too(redis_cluster: RedisClusterSet, tmp_path: Path, door: Door):
    async with GuardedCluster(tmp_path, [redis_cluster.url] * 3, door) as cluster:
        for number in range(3):
            assert await race(cluster, await ordered(cluster.nodes[number])) == {101: 1, 401: 14}


@pytest.mark.slow
async def test_a_ticket_outlives_the_node_that_has_issued_it(own_redis: RedisServer, tmp_path: Path, door: Door):
    async with GuardedCluster(tmp_path, [own_redis.url] * 2, door) as cluster:
        ticket = await ordered(cluster.nodes[0])
        await cluster.nodes[0].kill()
        statuses = [await cluster.status(cluster.nodes[1], query=f"?ticket={ticket}") for _ in range(2)]
        assert statuses == [101, 401]


async def test_without_redis_nobody_gets_in_by_a_ticket_and_others_do(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    """Fails closed: whether it was used, nobody can tell."""
    async with GuardedCluster(tmp_path, [own_redis.url] * 2, door) as cluster:
        ticket = await ordered(cluster.nodes[0])
        own_redis.freeze()
        for node in cluster.nodes:
            assert await cluster.status(node, query=f"?ticket={ticket}") == 503
            assert (await tell(node.url, "POST", "/prod/@tickets", {"principalId": "grace"})).status == 503
            assert await cluster.status(node, "ada") == 101
        own_redis.thaw()
        async with asyncio.timeout(10 * SLOWER):
            while not all([await node.ready() for node in cluster.nodes]):
                await asyncio.sleep(0.05)
        # Each attempt may have taken it before its answer was lost; nobody gets in twice.
        assert (await race(cluster, ticket))[101] <= 1
        assert (await race(cluster, await ordered(cluster.nodes[0])))[101] == 1


@pytest.mark.slow
@pytest.mark.parametrize("before", ["CLOSE", "IGNORE"])
async def test_a_token_ends_after_a_redeployment_too(own_redis: RedisServer, tmp_path: Path, door: Door, before: str):
    """A connection takes what its stage says now; the token's end stays what it was."""
    apis = APIS.replace("tokenExpiry: CLOSE", f"tokenExpiry: {before}")
    async with GuardedCluster(tmp_path, [own_redis.url] * 2, door, apis=apis) as cluster:
        ends = time.time() + 2.5
        door.more = {"expiresAt": ends}
        first, second = [await cluster.enter(node, "ada") for node in cluster.nodes]
        door.more = {}
        unending = await cluster.enter(cluster.nodes[0], "bob")
        again = cluster.definition.read_text().replace(f"tokenExpiry: {before}", "tokenExpiry: CLOSE")
        cluster.definition.write_text(again + "\n")
        assert cluster.nodes[0].served is not None
        cluster.nodes[0].served.signal(signal.SIGUSR2)
        await cluster.nodes[0].served.says("deployed")
        deployed = time.time()
        assert await asyncio.wait_for(first.receive_close(), 5 * SLOWER) == (4401, "Token expired")
        assert time.time() >= ends - 0.1
        assert time.time() <= max(ends, deployed) + 0.5 * SLOWER + 0.2
        await unending.send_json({"action": "who"})
        assert await unending.receive_json() == {"who": "bob"}
        if before == "CLOSE":
            assert await asyncio.wait_for(second.receive_close(), 5 * SLOWER) == (4401, "Token expired")
        else:
            # It serves what it served.
            await second.send_text(json.dumps({"action": "who"}))
            assert await second.receive_json() == {"who": "ada"}
