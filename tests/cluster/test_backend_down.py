"""The backend of `$disconnect` is away while clients leave and nodes die: in the end it is told everything."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.cluster import ClusterUnderTest
from tests.harness.fleet import Client
from tests.harness.history import BackendDisconnect
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer

LEAVING = 200
#: Long enough that a busy machine lets nobody miss it.
LEASE = 3
#: R-22: how long it may take once the backend is back.
DRAINED = 30


@pytest.fixture(
    params=[
        pytest.param(5.0, marks=pytest.mark.slow, id="short"),
        pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)], id="long"),
    ]
)
def seconds(request: pytest.FixtureRequest) -> float:
    """How long the backend is away."""
    return float(request.param)


@asynccontextmanager
async def failing(cluster: ClusterUnderTest) -> AsyncIterator[None]:
    """It answers, but with 503."""
    cluster.backend.down = True
    yield
    cluster.backend.down = False


@asynccontextmanager
async def not_listening(cluster: ClusterUnderTest) -> AsyncIterator[None]:
    """Nobody listens there, so that nodes leave it alone for longer and longer."""
    cluster.backend.go_away()
    yield
    await cluster.backend.come_back()


Away = Callable[[ClusterUnderTest], AbstractAsyncContextManager[None]]


async def waiting(nodes: Iterable[NodeUnderTest]) -> float:
    return sum([await node.metric("wsgw_departures_waiting") for node in nodes])


async def come_to_wait(nodes: list[NodeUnderTest], count: int) -> None:
    """Wait until so many `$disconnect`s wait on these nodes: they have failed once."""
    async with asyncio.timeout(10 * SLOWER):
        while await waiting(nodes) != count:
            await asyncio.sleep(0.05)


async def come_to_be_owed(redis: RedisServer, count: int) -> None:
    """Wait until so many `$disconnect`s stand in the books, so that others find them."""
    async with asyncio.timeout(10 * SLOWER):
        while sum([await redis.cli("HLEN", key) for key in await redis.cli("KEYS", "wsgw:1:{*}:owed")]) != count:
            await asyncio.sleep(0.05)


def codes(cluster: ClusterUnderTest, clients: Iterable[Client]) -> set[int]:
    """What the backend was told of these."""
    told = defaultdict(set)
    for event in cluster.history:
        if isinstance(event, BackendDisconnect):
            told[event.connection].add(event.code)
    return {code for client in clients for code in told[client.id]}


@pytest.mark.parametrize("away", [failing, not_listening])
async def test_those_who_leave_while_the_backend_is_away_are_told_when_it_is_back(
    own_redis: RedisServer, tmp_path: Path, seconds: float, away: Away
):
    """R-22."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, lease=LEASE) as cluster:
        clients = await cluster.connect(LEAVING + 10)
        async with away(cluster):
            for client in clients[:LEAVING]:
                client.close(4001)
            await come_to_wait(cluster.nodes, LEAVING)
            began = cluster.now()
            while cluster.now() - began < seconds:
                await asyncio.sleep(0.5)
                # Each waits once, however often it is tried.
                assert await waiting(cluster.nodes) == LEAVING
        assert len(cluster.untold()) == LEAVING
        await cluster.all_told(DRAINED)
        assert codes(cluster, clients[:LEAVING]) == {4001}
        await come_to_wait(cluster.nodes, 0)
        assert sum([await node.metric("wsgw_departures_given_up_total") for node in cluster.nodes]) == 0
        assert await cluster.verdict(own_redis) == []


@pytest.mark.parametrize("away", [failing, not_listening])
async def test_what_a_node_owed_when_it_was_killed_is_told_by_others_with_its_true_code(
    own_redis: RedisServer, tmp_path: Path, seconds: float, away: Away
):
    """R-22 and R-01."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, lease=LEASE) as cluster:
        await cluster.connect(LEAVING)
        dies = cluster.nodes[0]
        clients = cluster.clients_of(dies)
        left, lost = clients[:40], clients[40:]
        assert lost
        async with away(cluster):
            for client in left:
                client.close(4001)
            await come_to_be_owed(own_redis, len(left))
            await dies.kill()
            await asyncio.sleep(seconds)
            assert cluster.untold() == {client.id for client in clients}
        await cluster.all_told(DRAINED)
        assert codes(cluster, left) == {4001}
        assert codes(cluster, lost) == {1006}
        await cluster.rebuilt(own_redis, 5)
        assert await cluster.verdict(own_redis) == []
