"""Nodes are told to end, one after the other, under load: no client learns of it otherwise than by a 1001."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cluster.steps import ready
from tests.harness.cluster import ClusterUnderTest
from tests.harness.fleet import Caller, Client, connect
from tests.harness.history import Closed
from tests.harness.node import NodeUnderTest
from tests.harness.redis_server import RedisServer
from tests.harness.until import until

#: Long enough that a busy machine lets nobody miss it.
LEASE = 3


class Load(NamedTuple):
    """Clients, their messages a second all together, and how long a node takes to drain."""

    clients: int
    rate: float
    drain: float


@pytest.fixture(
    params=[
        pytest.param(Load(60, 120, 1), marks=pytest.mark.slow, id="short"),
        pytest.param(Load(300, 500, 10), marks=[pytest.mark.soak, pytest.mark.timeout(300)], id="long"),
    ]
)
def load(request: pytest.FixtureRequest) -> Load:
    chosen: Load = request.param
    return chosen


class Balancer:
    """Takes clients to the nodes in `ready`, as a load balancer does that is told before a node ends."""

    def __init__(self, cluster: ClusterUnderTest) -> None:
        self.cluster = cluster
        self.ready = list(cluster.nodes)
        self._under_way: Counter[NodeUnderTest] = Counter()
        self._names = 0

    async def connect(self) -> Client:
        """Raises Refused, OSError."""
        node = random.choice(self.ready)
        self._names += 1
        self._under_way[node] += 1
        cluster = self.cluster
        try:
            client = await connect(node.url, f"client{self._names}", node.name, cluster.backend.ids, cluster.record)
        finally:
            self._under_way[node] -= 1
        cluster.clients.append(client)
        return client

    async def take_out(self, node: NodeUnderTest) -> None:
        """Send nobody there any more; returns when those who were on their way are there."""
        self.ready.remove(node)
        await until(lambda: not self._under_way[node])


class Speaker:
    """Says one thing after the other without waiting for answers, and connects again when it is told to go.

    `lives`: each of its connections, with all that it said there
    """

    def __init__(self, balancer: Balancer, pause: float) -> None:
        self._balancer = balancer
        self._pause = pause
        self.lives: list[tuple[Client, list[bytes]]] = []

    async def run(self, over: asyncio.Event) -> None:
        while not over.is_set():
            client = await self._balancer.connect()
            said: list[bytes] = []
            self.lives.append((client, said))
            while client.open and not over.is_set():
                said.append(json.dumps({"action": "echo", "number": len(said)}).encode())
                client.send(said[-1].decode())
                await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))
        await until(lambda: len(client.replies) == len(said) or not client.open)


async def test_nodes_are_replaced_one_after_the_other_under_a_load_of_messages(
    own_redis: RedisServer, tmp_path: Path, load: Load
):
    """R-03, as far as it goes without sessions that can be resumed: a client that is told to go (1001) comes back as
    another connection, and has to ask again for what was not answered.
    """
    options = ("--drain-seconds", str(load.drain))
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, *options, lease=LEASE) as cluster:
        balancer = Balancer(cluster)
        speakers = [Speaker(balancer, load.clients / load.rate) for _ in range(load.clients)]
        over = asyncio.Event()
        began = cluster.now()
        # A handshake that is refused ends the group, and the test.
        async with asyncio.TaskGroup() as group:
            for speaker in speakers:
                group.create_task(speaker.run(over))
            await until(lambda: len(cluster.open) == load.clients)
            for node in cluster.nodes:
                await balancer.take_out(node)
                assert cluster.clients_of(node)
                assert await node.terminate() == 0
                await node.start()
                await ready([node], 5)
                balancer.ready.append(node)
            await until(lambda: len(cluster.open) == load.clients)
            seconds = cluster.now() - began
            over.set()
        lives = [life for speaker in speakers for life in speaker.lives]
        ends = {event.connection: (event.code, event.whole) for event in cluster.history if isinstance(event, Closed)}
        assert len(lives) >= 2 * load.clients
        assert sum(len(said) for _, said in lives) > load.rate * seconds / 2
        for client, said in lives:
            # In order, none twice, and none left out.
            assert client.replies == said[: len(client.replies)]
            if len(client.replies) < len(said):
                assert ends[client.id] == (1001, True)
        assert set(ends.values()) == {(1001, True)}
        assert await cluster.verdict(own_redis) == []


async def test_a_node_is_told_to_end_while_others_push_to_its_clients(
    own_redis: RedisServer, tmp_path: Path, load: Load
):
    """R-02 in a cluster: what is answered 200 has arrived, until the end and beyond."""
    options = ("--drain-seconds", str(load.drain))
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, *options, lease=LEASE) as cluster:
        began = cluster.now()
        ends, *others = cluster.nodes
        clients = await cluster.connect(5 * load.clients, ends)
        ids = [client.id for client in clients]
        callers = [
            Caller(f"caller{number}", node.name, node.url, lambda: ids, cluster.record, 0.002)
            for number, node in enumerate(others * 3)
        ]
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.run())
            # From then on the others are certain of whoever is not there.
            await until(lambda: cluster.statuses()[200] > 100 and cluster.now() > began + LEASE)
            told = cluster.now()
            assert await ends.terminate() == 0
            over = cluster.now()
            await until(lambda: cluster.statuses(over).total() > 100)
            for caller in callers:
                caller.stop()
        during = [answer.status for asked, answer in cluster.pushes(told) if asked.at < over]
        assert set(during) <= {200, 410, 503}
        assert during.count(200) > 10
        assert during.count(410) > 10
        # The book of a node that has left is closed: its connections are certainly gone.
        assert set(cluster.statuses(over)) == {410}
        closed = sorted(event.at for event in cluster.history if isinstance(event, Closed))
        assert closed[-1] - closed[0] > load.drain * 0.8
        assert {event.code for event in cluster.history if isinstance(event, Closed)} == {1001}
        assert len(closed) == len(clients)
        assert not cluster.untold()
        assert await cluster.verdict(own_redis) == []
