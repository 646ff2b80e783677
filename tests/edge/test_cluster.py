"""A node that others held for dead: it begins anew under one new name, and only when it is whole again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from aiohttp import web

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, route
from tests.harness.raw_websocket import HandshakeRefused
from tests.harness.until import until
from wsgw.edge import cluster
from wsgw.errors import StoreUnavailable
from wsgw.stores.memory_bus import Exchange, MemoryBus
from wsgw.stores.memory_connections import MemoryConnections


class Registry(MemoryConnections):
    """One that can be taken over. `fails` names the attempts to rejoin, counted from one, at which it is away."""

    def __init__(self, *fails: int) -> None:
        super().__init__()
        self.names: list[str] = []
        self._fails = fails
        self._attempts = 0

    async def rejoin(self) -> str:
        self._attempts += 1
        if self._attempts in self._fails:
            raise StoreUnavailable("away")
        self.names.append(await super().rejoin())
        return self.names[-1]

    def fence(self) -> None:
        self.own.lost = True
        self.on_fenced()


class Bus(MemoryBus):
    """One that cannot move at the first `failures` attempts; `moving` is called before each."""

    def __init__(self, node: TestGateway, failures: int = 0) -> None:
        super().__init__(Exchange(), lambda: node.app.node.name)
        self.moves = 0
        self.moving = lambda: None
        self._failures = failures

    async def move(self) -> None:
        self.moves += 1
        self.moving()
        if self.moves <= self._failures:
            raise StoreUnavailable("not heard")
        await super().move()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause before another attempt."""
    monkeypatch.setattr(cluster, "_REJOIN", 0)


async def member(gateway: TestGateway, registry: Registry, bus: Bus) -> cluster.Cluster:
    one = cluster.Cluster(gateway.app.node, registry, bus, gateway.app.push, gateway.app.departures)
    await one.join()
    return one


@pytest.mark.parametrize(("fails", "failures"), [((), 0), ((1, 2), 0), ((), 3), ((1,), 2)])
async def test_a_fenced_node_takes_one_new_name_however_often_it_must_try(
    gateway: TestGateway, fails: Iterable[int], failures: int
):
    registry, bus = Registry(*fails), Bus(gateway, failures)
    one = await member(gateway, registry, bus)
    registry.fence()
    await until(lambda: not gateway.app.node.paused)
    assert registry.names == [gateway.app.node.name]
    assert bus.moves == failures + 1
    await one.leave()


async def test_a_node_that_is_fenced_again_before_it_is_heard_takes_another_name(gateway: TestGateway):
    registry, bus = Registry(), Bus(gateway, failures=1)
    one = await member(gateway, registry, bus)

    def fenced_again() -> None:
        if bus.moves == 2:
            registry.fence()

    bus.moving = fenced_again
    registry.fence()
    await until(lambda: not gateway.app.node.paused)
    assert len(registry.names) == 2
    assert gateway.app.node.name == registry.names[-1]
    assert not registry.own.lost
    await one.leave()


async def test_a_node_that_leaves_stops_trying(gateway: TestGateway):
    registry, bus = Registry(), Bus(gateway, failures=10**9)
    one = await member(gateway, registry, bus)
    registry.fence()
    await until(lambda: bus.moves > 1)
    await one.leave()
    moves = bus.moves
    for _ in range(5):
        await asyncio.sleep(0)
    assert bus.moves == moves


async def test_a_handshake_that_was_under_way_when_its_node_fell_is_refused(gateway: TestGateway, backend: Backend):
    """Its id names a node that is no more: nobody would find it."""
    go_on = asyncio.Event()

    async def slow(request: object) -> web.Response:
        await go_on.wait()
        return web.Response()

    backend.answer("/hello", slow)
    gateway.serve(route("$connect", http(backend.url + "/hello")), route("$disconnect", http(backend.url + "/bye")))
    client = asyncio.create_task(gateway.connect())
    (asked,) = await backend.wait_for("/hello")
    fell(gateway)
    await until(lambda: not gateway.app.node.paused)
    go_on.set()
    with pytest.raises(HandshakeRefused) as refusal:
        await client
    assert refusal.value.response.status == 503
    (told,) = await backend.wait_for("/bye")
    assert told.header("Wsgw-Connection-Id") == asked.header("Wsgw-Connection-Id")
    assert gateway.connections == []


async def test_an_event_whose_first_attempt_fails_while_its_node_begins_anew_is_not_lost(
    gateway: TestGateway, backend: Backend
):
    go_on = asyncio.Event()

    async def failing(request: object) -> web.Response:
        await go_on.wait()
        return web.Response(status=500)

    backend.answer("/bye", failing)
    gateway.serve(route("$disconnect", http(backend.url + "/bye")))
    client = await gateway.connect()
    await client.send_close(1000)
    await backend.wait_for("/bye")
    fell(gateway)
    await until(lambda: not gateway.app.node.paused)
    go_on.set()
    departures = gateway.app.departures
    await until(lambda: departures.waiting == 1)
    # Whoever took the former book over may not know of it, if Redis was away when the client came.
    for _ in range(3):
        gateway.advance(20)
        await until(lambda: not departures._trying)
    assert departures.waiting == 1
    backend.on("/bye", 200)
    gateway.advance(20)
    await until(lambda: departures.waiting == 0)
    assert departures.delivered == 1


def fell(gateway: TestGateway) -> None:
    """Others hold the gateway's node for dead, and have its book."""
    registry = gateway.app._stores.registry
    registry.own.lost = True
    registry.on_fenced()
