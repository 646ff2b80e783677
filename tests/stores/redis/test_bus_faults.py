"""The bus over a Redis that fails: every question ends, soon, and an answer is never another's or an invention."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.harness.buses import BusNode, post, redis_node
from tests.harness.fault_proxy import FaultProxy
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet
from tests.harness.until import until
from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.base import Question
from wsgw.stores.chosen import stores_for
from wsgw.stores.redis.bus import RedisBus
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.subscription import Subscription

Join = Callable[..., Awaitable[BusNode]]
TICK = 0.05


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with RedisServer() as one:
        yield one


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Opens the bus of another node, which ticks by the real clock."""
    nodes: list[BusNode] = []

    async def join(url: str, name: str, link: Link | None = None, **settings: object) -> BusNode:
        node = redis_node(url, name, None, link, **settings)
        nodes.append(node)
        return await node.open(TICK)

    yield join
    for node in nodes:
        await node.close()


class Asking:
    """Asks `owner` without a pause, `at_once` at a time, with data that is never the same twice."""

    def __init__(self, asker: BusNode, owner: BusNode, at_once: int = 20) -> None:
        self.asker, self.owner = asker, owner
        self.answered: list[bytes] = []
        self.refused: list[bytes] = []
        self.wrong: list[bytes] = []
        self.slowest = 0.0
        self._end = False
        self._tasks = [asyncio.create_task(self._ask(number)) for number in range(at_once)]

    async def _ask(self, number: int) -> None:
        times = 0
        while not self._end:
            times += 1
            data = b"%d %d" % (number, times)
            begun = time.monotonic()
            try:
                answer = await self.asker.bus.ask(self.owner.name, post("c", data))
            except StoreUnavailable:
                self.refused.append(data)
                await asyncio.sleep(0.001)
            else:
                (self.answered if answer == (200, data) else self.wrong).append(data)
            self.slowest = max(self.slowest, time.monotonic() - begun)

    async def stop(self) -> None:
        """Returns when every question has ended one way or the other."""
        self._end = True
        await asyncio.gather(*self._tasks)

    def check(self) -> None:
        carried_out = [question.data for question in self.owner.asked]
        assert self.wrong == []
        assert len(set(carried_out)) == len(carried_out), "carried out twice"
        assert set(self.answered) <= set(carried_out), "answered, not carried out"
        assert set(carried_out) - set(self.answered) <= set(self.refused)


async def goes_on(asking: Asking) -> None:
    before = len(asking.answered)
    await until(lambda: len(asking.answered) > before + 100)


async def test_killed_subscriptions_lose_no_answer_silently(server, join):
    """R-04, at the bus."""
    asker, owner = await join(server.url, "aaaa"), await join(server.url, "bbbb")
    asking = Asking(asker, owner)
    for _ in range(4):
        await goes_on(asking)
        gaps = asker.bus.gaps
        await server.kill_pubsub()
        await until(lambda gaps=gaps: asker.bus.gaps > gaps)
    await goes_on(asking)
    await asking.stop()
    asking.check()
    assert asking.slowest < 1.5 * SLOWER
    assert owner.bus.gaps >= 4
    await until(lambda: "" in owner.heard)


async def test_a_frozen_redis_ends_every_question_within_a_second(server, join):
    """R-05, at the bus. A heartbeat would notice, too: there is none."""
    hasty = {"redis_seconds": 0.25, "bus_heartbeat_seconds": 30}
    asker, owner = [await join(server.url, name, **hasty) for name in ("aaaa", "bbbb")]
    asking = Asking(asker, owner)
    await goes_on(asking)
    asking.slowest = 0.0
    server.freeze()
    try:
        await until(lambda: asker.link.away)
        # What was asked before and what is asked now.
        await until(lambda: len({data.split()[0] for data in asking.refused}) == 20)
    finally:
        server.thaw()
    assert asking.slowest < SLOWER
    await goes_on(asking)
    await asking.stop()
    asking.check()


async def test_what_was_published_before_redis_froze_ends_too(server, join):
    asker, owner = [await join(server.url, name, redis_seconds=0.25, bus_seconds=60) for name in ("aaaa", "bbbb")]
    owner.reply = None
    answer = asker.bus.ask("bbbb", post("c"))
    await until(lambda: owner.answers)
    server.freeze()
    try:
        await until(answer.done)
    finally:
        server.thaw()
    with pytest.raises(StoreUnavailable):
        await answer


async def test_a_redis_that_starts_again_empty_is_used_again(server, join):
    asker, owner = await join(server.url, "aaaa"), await join(server.url, "bbbb")
    asking = Asking(asker, owner)
    await goes_on(asking)
    await server.restart()
    await goes_on(asking)
    await asking.stop()
    asking.check()
    # Each of its subscriptions comes back when its own pause is over.
    await until(lambda: asker.bus.hears and owner.bus.hears)
    assert "" in asker.heard
    owner.heard.clear()
    asker.bus.announce("definitions")
    await until(lambda: "definitions" in owner.heard)


async def test_an_emptied_redis_proves_nothing(server):
    """No connection ends: it is the registry that notices, and tells."""
    settings = Settings(redis=server.url, redis_seconds=1, lease_seconds=2)
    stores = stores_for(settings, lambda: "aaaa", time.monotonic)
    bus = stores.bus
    assert isinstance(bus, RedisBus)
    await stores.open()
    await stores.registry.join()
    await bus.open()

    async def answers(status: int) -> bool:
        try:
            return (await bus.ask("dddd", post("c"))).status == status
        except StoreUnavailable:
            return status == 503

    try:
        for status in (503, 410):
            async with asyncio.timeout(10 * SLOWER):
                while not await answers(status):
                    await asyncio.sleep(0.01)
        await server.flush()
        async with asyncio.timeout(10 * SLOWER):
            while not await answers(503):
                await asyncio.sleep(0.01)
    finally:
        await stores.registry.close()
        await bus.close()
        await stores.close()


async def test_more_than_redis_would_hold_for_a_node_is_asked_all_the_same(server, join):
    """Redis closes a subscriber that it has 32 MB for; this is twice that, in one turn."""
    asker, owner = await join(server.url, "aaaa", bus_seconds=20), await join(server.url, "bbbb", bus_seconds=20)
    texts = [b"%d" % number for number in range(60)]
    answers = [asker.bus.ask("bbbb", post("c", bytes(1 << 20) + text)) for text in texts]
    assert [answer.status for answer in await asyncio.gather(*answers)] == [200] * 60
    assert [question.data[1 << 20 :] for question in owner.asked] == texts
    assert asker.bus.gaps + owner.bus.gaps == 0


class ListensThrough(Link):
    """A Link that listens over another one."""

    def __init__(self, settings: Settings, other: Link) -> None:
        super().__init__(settings)
        self.other = other

    async def open(self) -> None:
        await super().open()
        await self.other.open()

    async def close(self) -> None:
        await super().close()
        await self.other.close()

    def subscribe(self, *args: object, **kwargs: object) -> Subscription:
        return self.other.subscribe(*args, **kwargs)  # type: ignore[arg-type]


async def test_a_subscription_that_is_only_half_there_is_made_anew(server, join):
    """R-08: commands pass, what is published does not, and no end of a connection says so."""
    every = 0.4
    with FaultProxy("127.0.0.1", server.port) as proxy:
        link = ListensThrough(
            Settings(redis=server.url, redis_seconds=1), Link(Settings(redis=f"redis://{proxy.address}"))
        )
        asker = await join(server.url, "aaaa", link, bus_heartbeat_seconds=every)
        owner = await join(server.url, "bbbb", bus_heartbeat_seconds=every)
        assert (await asker.bus.ask("bbbb", post("c"))).status == 200
        proxy.blackhole()
        begun = time.monotonic()
        answer = asker.bus.ask("bbbb", post("c", b"into the hole"))
        with pytest.raises(StoreUnavailable):
            await answer
        assert time.monotonic() - begun < 2 * every + 0.4 * SLOWER
        with pytest.raises(StoreUnavailable):
            await asker.bus.ask("bbbb", post("c"))
        proxy.heal()
        await until(lambda: asker.bus.hears)
        assert (await asker.bus.ask("bbbb", post("c"))).status == 200
        assert [question.data for question in owner.asked] == [b"", b"into the hole", b""]
        assert asker.bus.gaps == 2


async def cancel_storm(server: RedisServer, join: Join, cancellations: int) -> None:
    asker, _ = await join(server.url, "aaaa"), await join(server.url, "bbbb")
    wrong, cancelled, answered = [], 0, 0

    async def ask(number: int) -> None:
        nonlocal answered
        data = b"nonce %d" % number
        if (await asker.bus.ask("bbbb", post("c", data))).data != data:
            wrong.append(number)
        answered += 1

    rolls = random.Random(26)
    number = 0
    while cancelled < cancellations:
        tasks = [asyncio.create_task(ask(number + n)) for n in range(100)]
        number += 100
        for _ in range(rolls.randrange(4)):
            await asyncio.sleep(0)
        if rolls.random() < 0.3:
            await asyncio.sleep(rolls.random() * 0.002)
        for task in rolls.sample(tasks, 60):
            cancelled += task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert wrong == []
    assert answered >= cancellations // 4
    assert (await asker.bus.ask("bbbb", post("c", b"after"))).data == b"after"
    await until(lambda: len(asker.bus._pending) == 0)


async def test_cancelled_questions_shift_no_answer(server, join):
    """R-26, short."""
    await cancel_storm(server, join, 2_000)


@pytest.mark.soak
async def test_many_cancelled_questions_shift_no_answer(server, join):
    """R-26."""
    await cancel_storm(server, join, 50_000)


@pytest.mark.slow
async def test_nodes_talk_over_a_cluster(join):
    """Channels lie on different shards; announcements pass between them."""
    async with RedisClusterSet() as cluster:
        names = ["0001", "0002", "0003", "0004", "0005", "0006"]
        nodes = [await join(cluster.url, name) for name in names]
        shards = {(await cluster.owner(f"wsgw:1:{{{name}}}:bus")).port for name in names}
        assert len(shards) == 3
        for asker in nodes:
            answers = [asker.bus.ask(name, Question("POST", name)) for name in names]
            assert [one.status for one in await asyncio.gather(*answers)] == [200] * len(names)
        nodes[0].bus.announce("definitions")
        for node in nodes:
            await until(lambda node=node: "definitions" in node.heard)
        killed = nodes[0].bus.gaps
        nodes[1].asked.clear()
        asking = Asking(nodes[0], nodes[1])
        await goes_on(asking)
        for one in cluster.servers:
            await one.kill_pubsub()
        await until(lambda: nodes[0].bus.gaps > killed)
        await goes_on(asking)
        await asking.stop()
        asking.check()
        with pytest.raises(StoreUnavailable):
            await nodes[0].bus.ask("ffff", post("c"))
