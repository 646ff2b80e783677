"""What tests of a Redis that somebody else writes to have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.cluster.steps import push_elsewhere, push_to
from tests.harness.cluster import ClusterUnderTest
from tests.harness.fleet import Client
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.until import until
from wsgw.ids import read_connection_id
from wsgw.stores.redis.keys import Keys

KEYS = Keys("wsgw")


def name_of(client: Client) -> str:
    """What the node that holds `client` is called in Redis."""
    read = read_connection_id(client.id)
    assert read is not None
    return read.node


def names(cluster: ClusterUnderTest) -> list[str]:
    return [name_of(cluster.clients_of(node)[-1]) for node in cluster.nodes]


async def lives(cluster: ClusterUnderTest) -> None:
    """Each node answers messages, and pushes to its own connections; none has logged an error of its own making."""
    for node in cluster.nodes:
        assert node.running
        client = cluster.clients_of(node)[-1]
        before = len(client.replies)
        client.send('{"action": "ping"}')
        await until(lambda: client.replies[before:] == [b'{"pong":true}'])  # noqa: B023
        assert (await push_to(node, client)).status == 200
        wrong = [line for line in node.log if "traceback" in line.lower() or "unpickled" in line]
        assert not wrong


async def counted(nodes: Sequence[NodeUnderTest], metric: str, least: float) -> None:
    async with asyncio.timeout(5 * SLOWER):
        while not all([await node.metric(metric) >= least for node in nodes]):
            await asyncio.sleep(0.02)


async def said(node: NodeUnderTest, text: str, count: int = 1) -> None:
    assert node.served is not None
    await node.served.says(text, count)


async def reach_each_other(cluster: ClusterUnderTest, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds * SLOWER):
        while (await push_elsewhere(cluster)).status != 200:
            await asyncio.sleep(0.05)
