"""Usage is counted once over the cluster: quotas are exact over all nodes, and what a dead node counted stays."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.harness.cluster import ClusterUnderTest
from tests.harness.node import NodeUnderTest
from tests.harness.redis_server import RedisServer
from tests.harness.usage import KEYED_API, VALUE

PLANNED = f"""
apiKeys: {{partner: {{value: {VALUE}}}}}
usagePlans:
  gold:
    apiStages: [{{apiId: pets, stage: dev}}]
    quota: {{limit: LIMIT, period: MONTH}}
    keys: [partner]
"""
#: ClusterUnderTest fills in its backend's address.
DEFINITION = (KEYED_API + PLANNED).replace("{", "{{").replace("}", "}}")


def limited(limit: int) -> str:
    return DEFINITION.replace("LIMIT", str(limit))


async def get(session: ClientSession, node: NodeUnderTest) -> int:
    async with session.get(f"{node.url}/pets/dev/pets", headers={"x-api-key": VALUE}) as answer:
        return answer.status


async def many(nodes: list[NodeUnderTest], count: int) -> Counter[int]:
    """So many requests, some at once, to the nodes in turn."""
    async with ClientSession() as session:
        limit = asyncio.Semaphore(20)

        async def one(number: int) -> int:
            async with limit:
                return await get(session, nodes[number % len(nodes)])

        return Counter(await asyncio.gather(*map(one, range(count))))


async def answer(node: NodeUnderTest) -> Any:
    async with ClientSession() as session, session.get(f"{node.control}/usageplans/gold/usage") as answered:
        return json.loads(await answered.read())


async def used(node: NodeUnderTest) -> Any:
    return (await answer(node))["items"]["partner"][0]


async def is_used(node: NodeUnderTest, expected: list[int]) -> None:
    async with asyncio.timeout(20):
        while await used(node) != expected:
            await asyncio.sleep(0.1)


async def test_a_quota_is_exact_over_three_nodes_and_each_request_is_counted_once(
    own_redis: RedisServer, tmp_path: Path
):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, definition=limited(200)) as cluster:
        assert await many(cluster.nodes, 300) == {200: 200, 429: 100}
        for node in cluster.nodes:
            await is_used(node, [200, 0])


async def test_what_a_killed_node_counted_stays_but_for_its_last_second(own_redis: RedisServer, tmp_path: Path):
    """Counting survives a dead node: the quota whole, of the days no more than the last second is lost."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, definition=limited(500)) as cluster:
        doomed, other = cluster.nodes
        await many([doomed], 50)
        await is_used(other, [50, 450])
        await many([doomed], 30)
        await doomed.kill()
        number, left = await used(other)
        assert left == 420
        assert 50 <= number <= 80
        assert await many([other], 430) == {200: 420, 429: 10}


@pytest.mark.slow
async def test_a_node_that_ends_as_it_should_loses_nothing(own_redis: RedisServer, tmp_path: Path):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, definition=limited(500)) as cluster:
        ending, other = cluster.nodes
        assert await many([ending], 50) == {200: 50}
        assert await ending.terminate() == 0
        assert await used(other) == [50, 450]
        await ending.start()
        assert await many(cluster.nodes, 20) == {200: 20}
        await is_used(ending, [70, 430])


@pytest.mark.slow
async def test_while_redis_is_down_usage_is_counted_by_the_nodes_and_handed_over_when_it_is_back(tmp_path: Path):
    """The days whole, also those of the last second before; quotas as far as they were counted by then."""
    async with (
        RedisServer(persistent=True) as redis,
        ClusterUnderTest(tmp_path, [redis.url] * 3, definition=limited(500)) as cluster,
    ):
        assert await many(cluster.nodes, 60) == {200: 60}
        await redis.kill()
        assert await many(cluster.nodes, 90) == {200: 90}
        assert (await answer(cluster.nodes[0]))["message"].startswith("Usage cannot be told now")
        await redis.restart(empty=False)
        for node in cluster.nodes:
            async with asyncio.timeout(30):
                while (await answer(node)).get("items", {}).get("partner", [[0, 0]])[0] != [150, 440]:
                    await asyncio.sleep(0.2)
        assert await many(cluster.nodes, 30) == {200: 30}
        for node in cluster.nodes:
            await is_used(node, [180, 410])


@pytest.mark.slow
async def test_a_plans_limits_let_all_through_while_redis_is_away_and_hold_when_it_is_back(tmp_path: Path):
    definition = limited(500).replace("    quota:", "    throttle: {{rateLimit: 0.001, burstLimit: 3}}\n    quota:")
    async with (
        RedisServer(persistent=True) as redis,
        ClusterUnderTest(tmp_path, [redis.url] * 2, definition=definition) as cluster,
    ):
        assert await many(cluster.nodes, 2) == {200: 2}
        await redis.kill()
        assert await many(cluster.nodes, 20) == {200: 20}
        await redis.restart(empty=False)
        async with asyncio.timeout(20):
            while not all([await node.ready() for node in cluster.nodes]):
                await asyncio.sleep(0.05)
        assert await many(cluster.nodes, 10) == {200: 1, 429: 9}
        await redis.kill()
        # What is known to be empty is empty without Redis, too, until tokens must have come back.
        assert await many(cluster.nodes, 10) == {429: 10}


@pytest.mark.slow
async def test_while_redis_does_not_answer_requests_are_served_and_each_is_counted_once_it_does(
    own_redis: RedisServer, tmp_path: Path
):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, definition=limited(10)) as cluster:
        await many(cluster.nodes, 4)
        await is_used(cluster.nodes[0], [4, 6])
        own_redis.freeze()
        served = await many(cluster.nodes, 40)
        own_redis.thaw()
        # What was under way when it froze may have been counted against the quota: nobody knows, so nobody is refused.
        assert served == {200: 40}
        async with asyncio.timeout(30):
            while any(
                [(await answer(node)).get("items", {}).get("partner", [[0]])[0][0] != 44 for node in cluster.nodes]
            ):
                await asyncio.sleep(0.2)
        for node in cluster.nodes:
            assert 'event="usage_plan_unavailable"' in (await node.get("/metrics"))[1].decode()
            assert sum("Usage Plan check failed" in line for line in node.log) == 1
