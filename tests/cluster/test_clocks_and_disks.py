"""R-18: disks that are full, names that are not found any more, and clocks that jump: what nodes share goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import orjson
import pytest

from tests.cluster.steps import manage, push_elsewhere, push_to
from tests.harness.cluster import ClusterUnderTest
from tests.harness.gateway import TestGateway, mock, route
from tests.harness.history import Closed
from tests.harness.management import manage as manage_at
from tests.harness.node import NodeUnderTest
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw.edge.safety import NotSafe
from wsgw.stores.redis import connect
from wsgw.stores.redis.names import Names

HOUR = 3600

# ---- disks


async def dropped(node: NodeUnderTest, event: str) -> float:
    """What stands in the metrics of the process for `event`."""
    begin = f'wsgw_events_total{{event="{event}"}} '
    lines = (await node.get("/metrics"))[1].decode().splitlines()
    return sum(float(line.removeprefix(begin)) for line in lines if line.startswith(begin))


async def serves(cluster: ClusterUnderTest) -> None:
    """Every node answers messages, and pushes to its own connections."""
    for node in cluster.nodes:
        client = cluster.clients_of(node)[-1]
        before = len(client.replies)
        client.send('{"action": "echo"}')
        await until(lambda: client.replies[before:])  # noqa: B023
        assert (await push_to(node, client)).status == 200


async def test_a_full_disk_costs_access_logs_and_nothing_else(own_redis: RedisServer, tmp_path: Path):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, "--access-log", "/dev/full") as cluster:
        await cluster.connect(4)
        await serves(cluster)
        async with asyncio.timeout(5 * SLOWER):
            while not all([await dropped(node, "access_log_dropped") >= 4 for node in cluster.nodes]):
                await asyncio.sleep(0.05)
        assert (await push_elsewhere(cluster)).status == 200
        assert await cluster.verdict(own_redis) == []
        assert [await node.terminate() for node in cluster.nodes] == [0, 0]


async def test_a_full_disk_below_standard_error_costs_lines_of_the_log(
    own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """All that it has to say, from its first line on; the exit code is of what it did."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" 2>/dev/full\n')
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, "--drain-seconds", "0") as cluster:
        await cluster.connect(4)
        await serves(cluster)
        await own_redis.restart()
        async with asyncio.timeout(5 * SLOWER):
            while (await push_elsewhere(cluster)).status != 200:
                await asyncio.sleep(0.05)
        # Of each message a line of the access log, and that Redis was away and is back.
        async with asyncio.timeout(5 * SLOWER):
            while not all([await dropped(node, "log_lines_lost") >= 8 for node in cluster.nodes]):
                await asyncio.sleep(0.05)
        assert [node.log for node in cluster.nodes] == [[], []]
        assert [await node.terminate() for node in cluster.nodes] == [0, 0]


# ---- names


class Resolver:
    """Stands in for the system's: finds every name, until `error` is set, which it raises, or hangs while `hangs`."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.hangs = False
        self.asked = 0

    async def look_up(self, host: str, port: int) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    one = Resolver()
    monkeypatch.setattr(connect, "Names", lambda: Names(one.look_up))
    return one


def named(redis: RedisServer) -> str:
    return f"redis://localhost:{redis.port}"


@pytest.fixture
async def node() -> AsyncIterator[Callable[..., TestGateway]]:
    made: list[TestGateway] = []

    def make(redis: RedisServer) -> TestGateway:
        made.append(TestGateway(True, redis=named(redis), redis_seconds=1.0, lease_seconds=1.0))
        return made[-1]

    yield make
    for one in made:
        await one.stop()


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_the_name_of_redis_is_not_found_any_more(
    own_redis: RedisServer, resolver: Resolver, node: Callable[[RedisServer], TestGateway], how: str
):
    gateways = [node(own_redis), node(own_redis)]
    for one in gateways:
        await one.start()
        one.serve(route("ping", mock("pong"), two_way=True))
    clients = [await one.connect() for one in gateways]
    ids = [one.connections[0].id for one in gateways]
    before = resolver.asked
    if how == "hangs":
        resolver.hangs = True
    else:
        resolver.error = OSError(-3, "Temporary failure in name resolution")
    # The connections stay good for as long as they last, whatever becomes of the name.
    assert (await manage_at(gateways[0], "POST", ids[1], b"here")).status == 200
    await own_redis.cli("CLIENT", "KILL", "TYPE", "normal")
    await own_redis.kill_pubsub()
    await until(lambda: resolver.asked > before)
    for one, client, id in zip(gateways, clients, ids, strict=True):
        await until(lambda: one.app._why_not_ready())  # noqa: B023
        assert (await manage_at(one, "POST", id, b"local")).status == 200
        await client.send_json({"action": "ping"})
    began = asyncio.get_running_loop().time()
    assert (await manage_at(gateways[0], "POST", ids[1], b"lost")).status == 503
    assert asyncio.get_running_loop().time() - began < SLOWER
    assert [await clients[0].receive_text() for _ in range(2)] == ["local", "pong"]
    assert [await clients[1].receive_text() for _ in range(3)] == ["here", "local", "pong"]


async def test_the_name_of_redis_is_found_again(
    own_redis: RedisServer, resolver: Resolver, node: Callable[[RedisServer], TestGateway]
):
    gateways = [node(own_redis), node(own_redis)]
    for one in gateways:
        await one.start()
        one.serve(route("ping", mock("pong"), two_way=True))
    client = await gateways[1].connect()
    (connection,) = gateways[1].connections
    resolver.error = OSError(-2, "Name or service not known")
    await own_redis.restart()
    for one in gateways:
        await until(lambda: "has no address" in one.app._why_not_ready())  # noqa: B023
    resolver.error = None
    async with asyncio.timeout(10 * SLOWER):
        while (await manage_at(gateways[0], "POST", connection.id, b"back")).status != 200:
            await asyncio.sleep(0.05)
    assert await client.receive_text() == "back"


async def test_a_name_that_is_not_found_at_the_start_is_said(
    own_redis: RedisServer, resolver: Resolver, node: Callable[[RedisServer], TestGateway]
):
    resolver.error = OSError(-2, "Name or service not known")
    with pytest.raises(NotSafe, match="the name localhost has no address: Name or service not known"):
        await node(own_redis).start()


# ---- clocks


def faketime() -> str:
    """The library that makes a process see another time; skips where it is not installed."""
    program = shutil.which("faketime")
    found = [
        *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
        *Path("/usr/lib").glob("faketime/libfaketimeMT.so.1"),
    ]
    if program is None or not found:
        pytest.skip("faketime is not installed")
    return str(found[0])


class WallClock:
    """The wall clock of processes that are started while it is in the environment; their monotonic one is right."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = directory / "offset"
        self.jump(0)
        self._variables = {
            "LD_PRELOAD": faketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }
        self._monkeypatch = monkeypatch

    def begin(self) -> None:
        for name, value in self._variables.items():
            self._monkeypatch.setenv(name, value)

    def end(self) -> None:
        for name in self._variables:
            self._monkeypatch.delenv(name)

    def jump(self, offset: int) -> None:
        """The clock shows so many seconds more than it is, from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+d}\n")
        os.replace(new, self._file)


@pytest.fixture
def wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(tmp_path, monkeypatch)


async def ahead(cluster: ClusterUnderTest, node: NodeUnderTest) -> float:
    """Seconds that the wall clock of `node` is ahead of ours: what it says of a connection that it opens now."""
    (client,) = await cluster.connect(1, node)
    found = orjson.loads((await manage(node, "GET", client)).body)
    return datetime.fromisoformat(found["connectedAt"]).timestamp() - time.time()


@pytest.mark.slow
async def test_a_nodes_wall_clock_jumps_and_its_lease_does_not(own_redis: RedisServer, tmp_path: Path, wall: WallClock):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2) as cluster:
        one = cluster.nodes[0]
        await one.terminate()
        wall.begin()
        await one.start()
        wall.end()
        await cluster.connect(6)
        for offset in (HOUR, -HOUR):
            wall.jump(offset)
            assert abs(await ahead(cluster, one) - offset) < 60
            await serves(cluster)
            # For longer than a lease, all see each other, and nobody is pinged, dropped or taken over.
            await asyncio.sleep(1.5 * cluster.bounds.lease)
            assert (await push_elsewhere(cluster)).status == 200
        for node in cluster.nodes:
            assert [await node.metric(f"wsgw_{name}_total") for name in ("fenced", "redis_losses")] == [0, 0]
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        await one.kill()
        await cluster.all_told(cluster.bounds.lease + 5)
        assert await cluster.verdict(own_redis) == []
