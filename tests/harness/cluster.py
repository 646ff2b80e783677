"""Several nodes on one Redis, with clients, callers and a backend around them: everything that happens is a history.

    async with ClusterUnderTest(tmp_path, [redis.url] * 3) as cluster:
        await cluster.connect(100)
        async with cluster.pushing():
            await cluster.nodes[0].kill()
        assert await cluster.verdict(redis) == []

Every node is a process of its own, `python -m wsgw serve`; clients, callers and backend are of the test's process.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.harness.check_history import Bounds, Violation, check
from tests.harness.fleet import Caller, Client, Refused, connect
from tests.harness.history import (
    Answered,
    Asked,
    BackendDisconnect,
    Closed,
    Connected,
    Event,
    Sample,
    StoreAway,
)
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.recording_backend import RecordingBackend
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet

DEFINITION = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      $connect: {url}/connect
      $disconnect: {url}/disconnect
      ping: {{integration: {{type: MOCK, responseTemplates: {{$default: '{{"pong":true}}'}}}}, twoWay: true}}
      echo: {{integration: "{url}/echo", twoWay: true}}
    stages:
      prod: {{limits: {{newConnectionsPerSecond: 0}}}}
"""
#: Where Redis that is away is not what is tested: on a busy machine one that is well may be kept from answering for
#: longer than the usual quarter of a second, and then requests pass uncounted, and pushes to others are refused.
PATIENT = ("--redis-seconds", "1")
#: No node that is well is kept from renewing its lease for as long.
LEASE = 1 if SLOWER == 1 else 2


class ClusterUnderTest:
    """Nodes, one for each of `urls`: the Redis as each of them reaches it. `history` is what has happened so far.

    options: more words of their command lines, over PATIENT; definition: what they serve, with `{url}` for the backend
    """

    def __init__(
        self,
        directory: Path,
        urls: Sequence[str],
        *options: str,
        lease: float = LEASE,
        definition: str = DEFINITION,
    ) -> None:
        self.history: list[Event] = []
        self.record = self.history.append
        self.now = asyncio.get_running_loop().time
        self.clients: list[Client] = []
        self._numbers = itertools.count()
        self.callers: list[Caller] = []
        # What a node that stands still for a second takes longer.
        self.bounds = Bounds(lease=lease, answer=2 + SLOWER, listed=1 + SLOWER)
        self.backend = RecordingBackend(self.record)
        self.definition = directory / "cluster.yaml"
        self._definition = definition
        words = (str(self.definition), "--lease-seconds", str(lease), *PATIENT, *options)
        self.nodes = [
            NodeUnderTest(number, (*words, "--redis", url), self.record) for number, url in enumerate(urls, 1)
        ]

    async def __aenter__(self) -> Self:
        await self.backend.__aenter__()
        self.definition.write_text(self._definition.format(url=self.backend.url))
        try:
            await asyncio.gather(*(node.start() for node in self.nodes))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        for client in self.clients:
            client.drop()
        for node in self.nodes:
            if node.served is not None:
                await node.served.close()
        await self.backend.__aexit__()

    # ---- clients

    @property
    def open(self) -> list[Client]:
        return [client for client in self.clients if client.open]

    def clients_of(self, node: NodeUnderTest) -> list[Client]:
        """Those that are open and connected to it since it started last."""
        return [client for client in self.open if client.node == node.name]

    async def connect(self, count: int, node: NodeUnderTest | None = None) -> list[Client]:
        """So many more clients, on one node or in turn on those that run, at most 50 handshakes at once."""
        nodes = [node] if node else [one for one in self.nodes if one.running]
        room = asyncio.Semaphore(50)

        async def one(number: int) -> Client:
            where = nodes[number % len(nodes)]
            async with room:
                # Told apart, also from those of another call that is under way: ids are found by name.
                name = f"client{next(self._numbers)}"
                return await connect(where.url, name, where.name, self.backend.ids, self.record)

        new = list(await asyncio.gather(*map(one, range(count))))
        self.clients += new
        return new

    async def be_refused(self, count: int) -> None:
        """So many handshakes that the backend's `$connect` does not let in."""
        for number in range(count):
            with pytest.raises(Refused, match="403"):
                await connect(
                    self.nodes[number % len(self.nodes)].url,
                    f"refused{next(self._numbers)}",
                    "",
                    self.backend.ids,
                    self.record,
                    refuse=True,
                )

    @asynccontextmanager
    async def churning(self, pause: float = 0.05) -> AsyncIterator[None]:
        """Meanwhile, clients come and go: they say goodbye with codes of theirs, or drop, and others connect."""

        over = False

        async def churn() -> None:
            while not over:
                await asyncio.sleep(pause)
                if self.open:
                    client = random.choice(self.open)
                    code = random.choice((None, 1000, 1001, 3000, 4999))
                    client.drop() if code is None else client.close(code)
                try:
                    await self.connect(1, random.choice([node for node in self.nodes if node.running]))
                except (Refused, OSError):
                    pass  # Its node is on its way down.

        churning = asyncio.create_task(churn())
        try:
            yield
        finally:
            # Cancelled, it could leave a client that is connected and that nobody knows of.
            over = True
            await churning

    # ---- callers

    @asynccontextmanager
    async def pushing(self, per_node: int = 2, pause: float = 0.01) -> AsyncIterator[None]:
        """Meanwhile, callers post to all connections from every node that runs now."""
        names = [f"caller{len(self.callers)}-{number}" for number in range(per_node * len(self.nodes))]
        running = [node for node in self.nodes if node.running]
        callers = [
            Caller(name, node.name, node.url, lambda: [one.id for one in self.open], self.record, pause)
            for name, node in zip(names, running * per_node, strict=False)
        ]
        self.callers += callers
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.run())
            try:
                yield
            finally:
                for caller in callers:
                    caller.stop()

    def pushes(self, since: float = 0, *, local: bool | None = None) -> list[tuple[Asked, Answered]]:
        """Those asked since then, with their answers; only those to the asked node's own connections, or to others'."""
        where = {event.connection: event.node for event in self.history if isinstance(event, Connected)}
        answers = {event.push: event for event in self.history if isinstance(event, Answered)}
        return [
            (event, answers[event.push])
            for event in self.history
            if isinstance(event, Asked)
            and event.at >= since
            and event.push in answers
            and (local is None or (where[event.connection] == event.via) is local)
        ]

    def statuses(self, since: float = 0, *, local: bool | None = None) -> Counter[int]:
        """How often pushes were answered what."""
        return Counter(answer.status for _, answer in self.pushes(since, local=local))

    # ---- the store

    @asynccontextmanager
    async def store_away(self) -> AsyncIterator[None]:
        """What happens within it happens while the nodes cannot reach what they share, or it was emptied."""
        began = self.now()
        try:
            yield
        finally:
            self.record(StoreAway(began, self.now()))

    # ---- the end

    def untold(self) -> set[str]:
        """Connections that a client saw end and whose `$disconnect` the backend has not got."""
        told = {event.connection for event in self.history if isinstance(event, BackendDisconnect)}
        return {event.connection for event in self.history if isinstance(event, Closed)} - told

    async def all_told(self, seconds: float) -> float:
        """Wait until every connection that ended has its `$disconnect`; gives how long that took."""
        began = self.now()
        while self.untold():
            assert self.now() - began < seconds * SLOWER, (
                f"no $disconnect for {len(self.untold())} connections in {seconds} s"
            )
            await asyncio.sleep(0.01)
        return self.now() - began

    async def sample(self, node: NodeUnderTest) -> set[str]:
        """What `node` lists of the whole cluster, page by page; written down."""
        began, found, after = self.now(), set[str](), ""
        while True:
            status, body = await node.get(f"/connections?limit=200&after={after}")
            assert status == 200, (status, body)
            page = json.loads(body)
            found |= {row["connectionId"] for row in page["connections"]}
            after = page["next"]
            if not after:
                self.record(Sample(began, self.now(), frozenset(found)))
                return found

    async def registered(self, redis: RedisServer | RedisClusterSet) -> set[str]:
        """What the books in Redis hold as open, those of dead nodes, too; written down. None stands in two of them."""
        began, found = self.now(), list[str]()
        for server in redis.servers if isinstance(redis, RedisClusterSet) else [redis]:
            for key in await server.cli("KEYS", "wsgw:1:{*}:open"):
                found += await server.cli("HKEYS", key)
        assert len(found) == len(set(found)), "a connection has two owners"
        self.record(Sample(began, self.now(), frozenset(found)))
        return set(found)

    async def rebuilt(self, redis: RedisServer | RedisClusterSet, seconds: float) -> float:
        """Wait until the books in Redis hold just the connections that are open; gives how long that took."""
        began = self.now()
        while (found := await self.registered(redis)) != (expected := {client.id for client in self.open}):
            if self.now() - began > seconds * SLOWER:
                wrong = sorted(found ^ expected)
                about = [event for event in self.history if wrong[0] in str(event) and not isinstance(event, Sample)]
                raise AssertionError(
                    f"after {seconds} s {len(found - expected)} ghosts and {len(expected - found)} missing, "
                    f"of them {wrong[0]}: {about}"
                )
            await asyncio.sleep(0.05)
        return self.now() - began

    async def verdict(self, redis: RedisServer | RedisClusterSet) -> list[Violation]:
        """Close every client, wait until all is at rest, and judge what has happened."""
        later = self.bounds.lease + self.bounds.ghost
        for node in self.nodes:
            if node.running:
                await self.sample(node)
        for client in self.open:
            client.close()
        await self.all_told(later)
        await self.rebuilt(redis, later)
        return check(self.history, self.bounds)
