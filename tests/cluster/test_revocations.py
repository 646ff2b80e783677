"""A revocation, a principal's end and a key that goes reach three nodes within a second, heard of or not."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.fault_proxy import FaultProxy
from tests.harness.guarded_cluster import KEY, Door, GuardedCluster, get, tell, wsgw
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import RawWebSocket
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet
from wsgw.edge.revocations import REVOCATION
from wsgw.settings import Settings
from wsgw.stores.document_store import document_store

REVOKED, ENDED = (4401, "Revoked"), (1000, "Connection Closed Normally")
#: What is promised.
SECOND = 1.0 * SLOWER
#: `$connect` wants an API key; keys, plan and API are imported, for the file has none of them.
KEYED = """
apis:
  keyed:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      $connect:
        apiKeyRequired: true
        integration: {type: MOCK, requestTemplates: {$default: '{"statusCode": 200}'}}
    stages: {prod: {}}
usagePlans: {gold: {apiStages: [{apiId: keyed, stage: prod}], keys: [partner]}}
apiKeys: {partner: {value: %s}}
"""


@pytest.fixture
def door(backend: Backend) -> Door:
    return Door(backend)


async def entered(cluster: GuardedCluster, token: str) -> list[RawWebSocket]:
    """A client on each node."""
    return [await cluster.enter(node, token) for node in cluster.nodes]


async def all_closed(clients: list[RawWebSocket], since: float) -> list[Any]:
    """How they are closed, all within the second that is promised."""
    left = since + SECOND - time.monotonic()
    return await asyncio.wait_for(asyncio.gather(*(one.receive_close() for one in clients)), left)


async def who(client: RawWebSocket) -> str:
    await client.send_json({"action": "who"})
    answer: str = (await client.receive_json())["who"]
    return answer


async def revoke(node: NodeUnderTest, principal: str) -> float:
    """Gives when that was."""
    began = time.monotonic()
    assert (await tell(node.control, "POST", "/revocations", {"principalId": principal})).status == 200
    return began


async def refused_by(node: NodeUnderTest, cluster: GuardedCluster, token: str) -> None:
    """Wait until it is."""
    async with asyncio.timeout(SECOND):
        while await cluster.status(node, token) != 401:
            await asyncio.sleep(0.02)


async def revoked_everywhere(cluster: GuardedCluster) -> None:
    """ada is closed and refused on every node within a second, and bob is not."""
    hers, others = await entered(cluster, "ada"), await entered(cluster, "bob")
    assert [await get(node, "/guarded", x_token="ada") for node in cluster.nodes] == [200] * 3
    began = await revoke(cluster.nodes[0], "ada")
    assert await all_closed(hers, began) == [REVOKED] * 3
    assert [await cluster.status(node, "ada") for node in cluster.nodes] == [401] * 3
    assert [await get(node, "/guarded", x_token="ada") for node in cluster.nodes] == [401] * 3
    assert [await who(one) for one in others] == ["bob"] * 3


async def test_a_revocation_takes_effect_on_three_nodes_within_a_second(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    async with GuardedCluster(tmp_path, [own_redis.url] * 3, door) as cluster:
        await revoked_everywhere(cluster)


@pytest.mark.slow
async def test_over_a_redis_cluster_it_does_too(redis_cluster: RedisClusterSet, tmp_path: Path, door: Door):
    async with GuardedCluster(tmp_path, [redis_cluster.url] * 3, door) as cluster:
        await revoked_everywhere(cluster)


async def deaf(redis: RedisServer, proxies: list[FaultProxy]) -> None:
    """From now on no node hears an announcement; what it asks is answered."""
    for proxy in proxies:
        proxy.refuse()
    assert await redis.kill_pubsub() >= len(proxies)


async def test_it_does_when_the_announcement_is_lost(
    own_redis: RedisServer, proxies: list[FaultProxy], tmp_path: Path, door: Door
):
    async with GuardedCluster(tmp_path, [f"redis://{proxy.address}" for proxy in proxies], door) as cluster:
        await deaf(own_redis, proxies)
        await revoked_everywhere(cluster)


@pytest.mark.slow
@pytest.mark.parametrize("heard", [True, False], ids=["heard", "lost"])
async def test_a_principals_connections_end_on_all_nodes_and_may_come_back(
    own_redis: RedisServer, proxies: list[FaultProxy], tmp_path: Path, door: Door, heard: bool
):
    async with GuardedCluster(tmp_path, [f"redis://{proxy.address}" for proxy in proxies], door) as cluster:
        hers, others = await entered(cluster, "ada"), await entered(cluster, "bob")
        if not heard:
            await deaf(own_redis, proxies)
        began = time.monotonic()
        assert (await tell(cluster.nodes[1].control, "DELETE", "/principals/ada")).status == 202
        assert await all_closed(hers, began) == [ENDED] * 3
        again = await entered(cluster, "ada")
        await asyncio.sleep(1)
        assert [await who(one) for one in (*again, *others)] == ["ada"] * 3 + ["bob"] * 3


@pytest.mark.slow
async def test_delete_at_principals_reaches_all_nodes(own_redis: RedisServer, tmp_path: Path, door: Door):
    async with GuardedCluster(tmp_path, [own_redis.url] * 3, door) as cluster:
        hers = await entered(cluster, "ada")
        began = time.monotonic()
        assert (await tell(cluster.nodes[2].url, "DELETE", "/prod/@principals/ada")).status == 202
        assert await all_closed(hers, began) == [ENDED] * 3


@pytest.mark.slow
async def test_a_node_that_cannot_reach_redis_learns_of_it_when_it_can(
    own_redis: RedisServer, proxies: list[FaultProxy], tmp_path: Path, door: Door
):
    """Meanwhile it keeps what it knew."""
    urls = [f"redis://{proxy.address}" for proxy in proxies]
    async with GuardedCluster(tmp_path, urls, door, lease=30) as cluster:
        cut_off, other = cluster.nodes[:2]
        await revoke(other, "eve")
        await refused_by(cut_off, cluster, "eve")
        client = await cluster.enter(cut_off, "ada")
        proxies[0].blackhole()
        async with asyncio.timeout(10 * SLOWER):
            while await cut_off.ready():
                await asyncio.sleep(0.02)
        await revoke(other, "ada")
        assert [await cluster.status(cut_off, token) for token in ("eve", "ada")] == [401, 101]
        proxies[0].heal()
        assert await asyncio.wait_for(client.receive_close(), 10 * SLOWER) == REVOKED
        assert await cluster.status(cut_off, "ada") == 401


@pytest.mark.slow
async def test_while_redis_is_away_nothing_is_revoked_and_the_answer_says_so(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    async with GuardedCluster(tmp_path, [own_redis.url] * 2, door) as cluster:
        await revoke(cluster.nodes[0], "eve")
        await refused_by(cluster.nodes[1], cluster, "eve")
        (client, _) = await entered(cluster, "ada")
        own_redis.freeze()
        for method, path, document in (
            ("POST", "/revocations", {"principalId": "ada"}),
            ("DELETE", "/revocations/principal/eve", None),
            ("DELETE", "/principals/ada", None),
        ):
            assert (await tell(cluster.nodes[0].control, method, path, document)).status == 503
        assert await who(client) == "ada"
        assert [await cluster.status(node, "eve") for node in cluster.nodes] == [401] * 2
        own_redis.thaw()


@pytest.mark.slow
async def test_what_is_revoked_stays_so_when_redis_comes_back_empty_and_something_is_stored_anew(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    """Nodes that know it write it down again, so that those that start later know it, too."""
    async with GuardedCluster(tmp_path, [own_redis.url] * 3, door) as cluster:
        first, second, third = cluster.nodes
        await revoke(first, "ada")
        await refused_by(second, cluster, "ada")
        await third.kill()
        await own_redis.restart(empty=True)
        async with asyncio.timeout(20):
            while not (await first.ready() and await second.ready()):
                await asyncio.sleep(0.05)
        async with asyncio.timeout(10 * SLOWER):
            while (await tell(first.control, "POST", "/revocations", {"principalId": "eve"})).status != 200:
                await asyncio.sleep(0.1)
        async with document_store(Settings(redis=own_redis.url)) as store, asyncio.timeout(10):
            while len(await store.documents.all(REVOCATION)) < 2:
                await asyncio.sleep(0.05)
        await third.start()
        for node in cluster.nodes:
            assert [await cluster.status(node, token) for token in ("ada", "eve", "bob")] == [401, 401, 101]


@pytest.mark.slow
async def test_an_api_key_that_is_deleted_closes_what_it_has_opened_on_all_nodes(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    imported = tmp_path / "keyed.yaml"
    imported.write_text(KEYED % KEY)
    await wsgw("import", str(imported), "--redis", own_redis.url)
    async with GuardedCluster(tmp_path, [own_redis.url] * 3, door) as cluster:
        clients = [await cluster.enter(node, path="/keyed/prod", key=KEY) for node in cluster.nodes]
        imported.write_text("usagePlans: {gold: {apiStages: [{apiId: keyed, stage: prod}], keys: []}}")
        await wsgw("import", str(imported), "--redis", own_redis.url, "--delete", "partner")
        assert await all_closed(clients, time.monotonic()) == [REVOKED] * 3


@pytest.mark.slow
async def test_what_is_served_from_redis_is_served_on_when_it_comes_back_empty_and_somebody_is_revoked(
    own_redis: RedisServer, tmp_path: Path, door: Door
):
    """Definitions and revocations count up the same revision, and only an import means that APIs are gone."""
    imported = tmp_path / "keyed.yaml"
    imported.write_text(KEYED % KEY)
    await wsgw("import", str(imported), "--redis", own_redis.url)
    async with GuardedCluster(tmp_path, [own_redis.url] * 2, door) as cluster:
        await revoke(cluster.nodes[0], "eve")
        async with asyncio.timeout(SECOND):
            while await cluster.status(cluster.nodes[1], "eve", path="/chat/prod") != 401:
                await asyncio.sleep(0.02)
        await own_redis.restart(empty=True)
        async with asyncio.timeout(20):
            while not all([await node.ready() for node in cluster.nodes]):
                await asyncio.sleep(0.05)
        await revoke(cluster.nodes[0], "ada")
        await asyncio.sleep(2.5)
        for node in cluster.nodes:
            await cluster.enter(node, path="/keyed/prod", key=KEY)
            assert [await cluster.status(node, token, path="/chat/prod") for token in ("ada", "eve")] == [401, 401]
        imported.write_text(KEYED.replace("prod", "live") % KEY)
        await wsgw("import", str(imported), "--redis", own_redis.url)
        for node in cluster.nodes:
            async with asyncio.timeout(5 * SLOWER):
                while await cluster.status(node, path="/keyed/live", key=KEY) != 101:
                    await asyncio.sleep(0.05)
