"""What the runs of a cluster with faults have in common.

Every run has three nodes, clients that come and go, and callers that push from every node to all connections; in the
end its history is judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from tests.harness.cluster import ClusterUnderTest
from tests.harness.fleet import Client
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import Response, exchange


class Scale(NamedTuple):
    """How many clients, how long a fault lasts, and how long things go well before and after it."""

    clients: int
    fault: float
    calm: float


async def begun(cluster: ClusterUnderTest, scale: Scale) -> None:
    """Clients on all nodes, some that were not let in, and everybody listed."""
    await cluster.connect(scale.clients)
    await cluster.be_refused(3)
    await asyncio.sleep(scale.calm)


async def ready(nodes: list[NodeUnderTest], seconds: float) -> None:
    """Wait until they all say so."""
    async with asyncio.timeout(seconds * SLOWER):
        while not all([await node.ready() for node in nodes]):
            await asyncio.sleep(0.05)


async def only_successes(cluster: ClusterUnderTest, seconds: float) -> None:
    """Wait until, for half a second, every push has been answered with what happened: nothing is 503 any more."""
    async with asyncio.timeout(seconds * SLOWER):
        while True:
            since = cluster.now()
            await asyncio.sleep(0.5)
            statuses = cluster.statuses(since)
            if statuses[200] and not statuses[503]:
                return


async def push_elsewhere(cluster: ClusterUnderTest) -> Response:
    """The answer of the first node to a push to a connection of the second."""
    asked, owner = cluster.nodes[:2]
    return await push_to(asked, cluster.clients_of(owner)[0])


async def push_to(node: NodeUnderTest, client: Client) -> Response:
    """The answer of `node` to a push to `client`, wherever that is connected."""
    return await manage(node, "POST", client, b"{}")


async def manage(node: NodeUnderTest, method: str, client: Client, body: bytes = b"") -> Response:
    """The answer of `node` to a call about the connection of `client`."""
    target, host = quote(client.id, safe=""), node.url.removeprefix("http://")
    head = f"{method} /prod/@connections/{target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    return await exchange(node.url, head.encode() + body)


async def taken_over(nodes: Iterable[NodeUnderTest], count: int = 1) -> None:
    """Wait until these nodes have taken so many others for dead."""
    async with asyncio.timeout(10 * SLOWER):
        while sum([await node.metric("wsgw_takeovers_total") for node in nodes]) < count:
            await asyncio.sleep(0.05)


async def closed(clients: Iterable[Client], seconds: float) -> None:
    async with asyncio.timeout(seconds * SLOWER):
        while any(client.open for client in clients):
            await asyncio.sleep(0.02)
