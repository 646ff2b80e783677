"""Clients that vanish without a word, and thousands that come back at once."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.cluster.steps import push_elsewhere
from tests.harness import fleet
from tests.harness.cluster import ClusterUnderTest
from tests.harness.fault_proxy import FaultProxy
from tests.harness.fleet import Client, Refused
from tests.harness.history import ABNORMAL, BackendDisconnect
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer

#: Clients of this process answer in time, unless it stands still for as long.
HEARTBEAT, TIMEOUT = 0.5, 0.5 * SLOWER
#: The most connections of a node to the backend, whose `$connect` takes so long.
CAP, CONNECT_SECONDS = 200, 0.2


class Storm(NamedTuple):
    """How many clients, over how many seconds each picks its moment to come back, and how late timers may fire.

    The short form runs beside other tests, which have the processors, too.
    """

    clients: int
    jitter: float
    lag: float


@pytest.mark.slow
async def test_clients_that_vanish_are_found_by_their_silence(own_redis: RedisServer, tmp_path: Path):
    """R-09: no FIN and no RST; those that answer pings stay."""
    options = ("--heartbeat-seconds", str(HEARTBEAT), "--heartbeat-timeout-seconds", str(TIMEOUT))
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, *options) as cluster:
        node = cluster.nodes[0]
        parts = urlsplit(node.url)
        assert parts.hostname
        assert parts.port
        with FaultProxy(parts.hostname, parts.port) as proxy:
            stay = await cluster.connect(4)
            ids, record = cluster.backend.ids, cluster.record
            gone = [
                await fleet.connect(f"http://{proxy.address}", f"gone{number}", node.name, ids, record)
                for number in range(10)
            ]
            cluster.clients += gone
            # A round of pings that they answer: what ends them is their silence.
            await asyncio.sleep(2 * HEARTBEAT)
            assert all(client.open for client in gone)
            cut = cluster.now()
            proxy.blackhole()

            def told() -> list[BackendDisconnect]:
                return [event for event in cluster.history if isinstance(event, BackendDisconnect)]

            async with asyncio.timeout(HEARTBEAT + TIMEOUT + 2 * SLOWER):
                while len(told()) < len(gone):
                    await asyncio.sleep(0.01)
            # The gateway looks at its clients four times a second.
            assert max(event.at for event in told()) - cut <= HEARTBEAT + TIMEOUT + 2 * 0.25 + 0.5 * SLOWER
            assert {event.connection for event in told()} == {client.id for client in gone}
            assert {event.code for event in told()} == {ABNORMAL}
            for client in gone:
                client.drop()
            await cluster.rebuilt(own_redis, 2)
            assert all(client.open for client in stay)
            assert (await push_elsewhere(cluster)).status == 200
        assert await cluster.verdict(own_redis) == []


async def come_back(cluster: ClusterUnderTest, name: str, node: NodeUnderTest, jitter: float) -> Client:
    """As a client should: after a random pause, and refused, after a longer one."""
    pause = jitter
    while True:
        await asyncio.sleep(random.uniform(0, pause))
        try:
            return await fleet.connect(node.url, name, node.name, cluster.backend.ids, cluster.record)
        except (Refused, OSError):
            pause = min(2 * max(pause, 1), 16)


@pytest.mark.parametrize(
    "storm",
    [
        pytest.param(Storm(1_000, 0.5, 1), marks=pytest.mark.slow, id="short"),
        pytest.param(Storm(10_000, 10, 0.2), marks=[pytest.mark.soak, pytest.mark.timeout(300)], id="long"),
    ],
)
async def test_all_clients_are_dropped_and_come_back(own_redis: RedisServer, tmp_path: Path, storm: Storm):
    """R-12."""
    options = ("--http-connections-per-host", str(CAP))
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, *options) as cluster:
        await cluster.connect(storm.clients)
        cluster.backend.connect_seconds = CONNECT_SECONDS
        for client in cluster.clients:
            client.drop()
        began = cluster.now()
        async with asyncio.timeout(60):
            back = await asyncio.gather(
                *(
                    come_back(cluster, f"back{number}", cluster.nodes[number % 2], storm.jitter)
                    for number in range(storm.clients)
                )
            )
        took = cluster.now() - began
        cluster.clients += back
        assert len(cluster.open) == storm.clients
        assert took < 60
        # They did come all at once, and the bound was kept.
        assert CAP // 2 <= cluster.backend.most_under_way <= 2 * CAP
        lags = [await node.metric("wsgw_event_loop_lag_p99_seconds") for node in cluster.nodes]
        assert max(lags) < storm.lag * SLOWER
        await cluster.all_told(30)
        await cluster.rebuilt(own_redis, 10)
        assert await cluster.verdict(own_redis) == []
