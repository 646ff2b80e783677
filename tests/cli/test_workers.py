"""`wsgw serve --workers`: many processes that serve as one (R-01, R-02, R-03 over a single machine)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.backend import Backend
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import RawWebSocket, handshake, open_socket
from tests.harness.redis_server import RedisServer
from tests.harness.serving import DidNotStart, Served, serving
from tests.harness.until import until
from tests.harness.workers import children, serving_with_workers
from wsgw.ids import read_connection_id

GOING_AWAY = (1001, "Going away")

CHAT = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      ping: {integration: {type: MOCK, responseTemplates: {$default: '%s $context.connectionId'}}, twoWay: true}
%s
"""


def definition(answer: str, *routes: str) -> str:
    return CHAT % (answer, "".join(f"      {route}\n" for route in routes))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wsgw.yaml"
    path.write_text(definition("first"))
    return path


async def ask(client: RawWebSocket) -> list[str]:
    """The answer of `ping`, and the connection's id."""
    await client.send_json({"action": "ping"})
    return (await client.receive_text()).split()


async def node_of(client: RawWebSocket) -> str:
    id = read_connection_id((await ask(client))[1])
    assert id is not None
    return id.node


async def leave(client: RawWebSocket) -> tuple[int, str]:
    """Wait for the close frame, and answer it."""
    close = await client.receive_close()
    await client.send_close(1001)
    await client.receive_eof()
    await client.drop()
    return close


async def control(gateway: Served, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, gateway.ready["control"] + path, data=body) as answer,
    ):
        return answer.status, await answer.text()


# ---- together


async def test_workers_share_the_port_and_what_one_holds_every_one_reaches(file: Path, redis: RedisServer):
    async with serving_with_workers(file, redis.url) as gateway:
        assert gateway.ready["workers"] == "2"
        await gateway.says(gateway.ready["data"].replace("http", "ws", 1) + "/prod")
        clients = [await gateway.connect() for _ in range(24)]
        ids = {(await ask(client))[1]: client for client in clients}
        assert {await node_of(client) for client in clients} == set(gateway.ready["node"].split(","))
        listed = json.loads((await control(gateway, "/connections"))[1])
        assert {row["connectionId"] for row in listed["connections"]} == set(ids)
        for id, client in ids.items():
            # Whichever worker it is that answers.
            assert (await control(gateway, f"/connections/{quote(id)}", "POST", b"hello"))[0] == 200
            assert await client.receive_text() == "hello"


async def test_one_scrape_adds_up_to_all_connections(file: Path, redis: RedisServer):
    async with serving_with_workers(file, redis.url) as gateway:
        clients = [await gateway.connect() for _ in range(7)]
        families = list(text_string_to_metric_families((await control(gateway, "/metrics"))[1]))
        names = Counter(family.name for family in families)
        assert set(names.values()) == {1}
        (connections,) = [family for family in families if family.name == "wsgw_connections"]
        assert {sample.labels["worker"] for sample in connections.samples} == {"0", "1"}
        assert sum(sample.value for sample in connections.samples) == len(clients)
        assert (await control(gateway, "/readyz"))[0] == 200


async def test_every_address_is_shared_by_all_workers(file: Path, redis: RedisServer):
    async with serving_with_workers(file, redis.url, "--listen", "http://127.0.0.1:0") as gateway:
        await gateway.says("too")
        (also,) = {line.split("listening on ")[1].split(",")[0] for line in gateway.log if "listening on" in line}
        assert also != gateway.ready["data"]
        gateway.ready["data"] = also
        assert len({await node_of(await gateway.connect()) for _ in range(24)}) == 2


# ---- the beginning


async def test_a_file_that_cannot_be_served_is_said_once_with_its_exit_code(file: Path, redis: RedisServer):
    file.write_text("apis: {chat: {protocol: WEBSOCKET, rutes: {}}}")
    with pytest.raises(DidNotStart) as refused:
        async with serving_with_workers(file, redis.url, count=3):
            pass
    assert refused.value.said.count("rutes") == 1
    assert refused.value.code == 1


async def test_what_is_not_safe_is_refused_once(file: Path, redis: RedisServer):
    with pytest.raises(DidNotStart) as refused:
        async with serving_with_workers(file, redis.url, "--host", "0.0.0.0"):
            pass
    assert refused.value.said.count("give --insecure") == 1
    assert refused.value.code == 1


async def test_a_worker_that_somebody_starts_by_hand_says_what_to_type():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wsgw.cli.worker"),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert b"this is started by `wsgw serve --workers N`" in said
    assert process.returncode == 2


# ---- a worker dies


async def test_a_killed_worker_costs_its_own_clients_only_and_their_disconnects_are_delivered(
    file: Path, redis: RedisServer, backend: Backend
):
    file.write_text(definition("pong", f"$disconnect: {backend.url}/gone"))
    # No shorter: the worker that is left must not seem dead while the machine is busy.
    async with serving_with_workers(file, redis.url, "--lease-seconds", "3") as gateway:
        clients = [await gateway.connect() for _ in range(16)]
        by_node: dict[str, list[RawWebSocket]] = {}
        for client in clients:
            by_node.setdefault(await node_of(client), []).append(client)
        # The first node of the ready line is worker 0's.
        lost = by_node.pop(gateway.ready["node"].split(",")[0])
        (kept,) = by_node.values()
        ids = {(await ask(client))[1] for client in lost}
        status = json.loads((await control(gateway, "/connections"))[1])
        assert len(status["connections"]) == 16
        victim = await _pid_of_worker_0(gateway)
        os.kill(victim, signal.SIGKILL)
        await gateway.says("worker 0 ended: killed by SIGKILL; it is started anew in 0.1 s")
        for client in kept:
            assert (await ask(client))[0] == "pong"
        await until(lambda: {event.header("Wsgw-Connection-Id") for event in backend.got("/gone")} == ids, 30)
        assert {event.header("Wsgw-Disconnect-Code") for event in backend.got("/gone")} == {"1006"}
        await until_ready(gateway)
        assert len({await node_of(await gateway.connect()) for _ in range(24)}) == 2


async def _pid_of_worker_0(gateway: Served) -> int:
    """The worker that holds the first slot's control socket."""
    for pid in children(gateway):
        sockets = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()}
        for line in Path("/proc/net/unix").read_text().splitlines():
            words = line.split()
            if len(words) == 8 and "/wsgw-" in words[7] and "/0." in words[7] and f"socket:[{words[6]}]" in sockets:
                return pid
    raise AssertionError("no worker has the control socket of slot 0")


async def until_ready(gateway: Served) -> None:
    async with asyncio.timeout(20):
        while (await control(gateway, "/readyz"))[0] != 200:
            await asyncio.sleep(0.05)


# ---- rolling


class Caller:
    """Connects again and again, holds on to each connection until it is closed, and notes what went wrong."""

    def __init__(self, gateway: Served) -> None:
        self._gateway = gateway
        self._holding: set[asyncio.Task[None]] = set()
        self.stopping = False
        self.connected = 0
        self.closes: Counter[tuple[int, str]] = Counter()
        self.faults: list[str] = []

    async def run(self) -> None:
        while not self.stopping:
            try:
                client = await RawWebSocket.connect(self._gateway.ready["data"].replace("http", "ws", 1) + "/prod")
            except Exception as error:
                self.faults.append(repr(error))
            else:
                self.connected += 1
                task = asyncio.create_task(self._hold(client))
                self._holding.add(task)
                task.add_done_callback(self._holding.discard)
            await asyncio.sleep(0.005)

    async def _hold(self, client: RawWebSocket) -> None:
        # However long it is open: the client's own reads wait for some seconds only.
        try:
            first, length = await client.reader.readexactly(2)
            payload = await client.reader.readexactly(length)
        except (OSError, EOFError) as error:
            self.closes[1006, repr(error)] += 1
            await client.drop()
            return
        assert first == 0x88
        self.closes[int.from_bytes(payload[:2], "big"), payload[2:].decode()] += 1
        await client.send_close(1001)
        await client.drop()

    async def end(self) -> None:
        """Wait until every connection was closed by the gateway."""
        while self._holding:
            await asyncio.wait(self._holding)


@pytest.mark.parametrize("options", [[], ["--no-lanes"]], ids=["lanes", "aiohttp"])
@pytest.mark.slow
async def test_rolling_refuses_no_connect_and_tells_every_client(file: Path, redis: RedisServer, options: list[str]):
    async with serving_with_workers(file, redis.url, "--drain-seconds", "0.5", *options) as gateway:
        before = children(gateway)
        caller = Caller(gateway)
        calling = asyncio.create_task(caller.run())
        await until(lambda: caller.connected >= 20)
        file.write_text(definition("second"))
        gateway.signal(signal.SIGHUP)
        await gateway.says("all workers (2) were replaced")
        assert not set(children(gateway)) & set(before)
        assert (await ask(await gateway.connect()))[0] == "second"
        caller.stopping = True
        await calling
        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 0
        await caller.end()
        assert caller.faults == []
        assert caller.closes == {GOING_AWAY: caller.connected}


async def test_a_file_that_cannot_be_served_is_not_rolled_out(file: Path, redis: RedisServer):
    async with serving_with_workers(file, redis.url) as gateway:
        clients = [await gateway.connect() for _ in range(4)]
        file.write_text("apis: [")
        gateway.signal(signal.SIGHUP)
        await gateway.says("worker 0 was not replaced, the one before still serves")
        assert [(await ask(client))[0] for client in clients] == ["first"] * 4


# ---- signals


async def test_a_sigterm_drains_all_workers_and_every_disconnect_is_delivered(
    file: Path, redis: RedisServer, backend: Backend
):
    file.write_text(definition("pong", f"$disconnect: {backend.url}/gone"))
    async with serving_with_workers(file, redis.url, "--drain-seconds", "0.4") as gateway:
        clients = [await gateway.connect() for _ in range(12)]
        ids = {(await ask(client))[1] for client in clients}
        gateway.signal(signal.SIGTERM)
        assert await asyncio.gather(*map(leave, clients)) == [GOING_AWAY] * 12
        assert await gateway.ended() == 0
    gone = backend.got("/gone")
    assert sorted(event.header("Wsgw-Connection-Id") or "" for event in gone) == sorted(ids)
    assert {event.header("Wsgw-Disconnect-Code") for event in gone} == {"1001"}
    assert not any("Traceback" in line for line in gateway.log), gateway.log


async def test_a_second_signal_ends_them_at_once(file: Path, redis: RedisServer):
    async with serving_with_workers(file, redis.url, "--drain-seconds", "60") as gateway:
        clients = [await gateway.connect() for _ in range(6)]
        gateway.signal(signal.SIGINT)
        await gateway.says("workers (2) close their connections over 60 s; a second signal ends it now")
        began = time.monotonic()
        gateway.signal(signal.SIGINT)
        assert await gateway.ended() == 1
        assert time.monotonic() - began < 5 * SLOWER
        assert len(clients) == 6


async def test_when_the_supervisor_is_killed_its_workers_drain(file: Path, redis: RedisServer):
    async with serving_with_workers(file, redis.url, "--drain-seconds", "0.2") as gateway:
        clients = [await gateway.connect() for _ in range(8)]
        pids = children(gateway)
        gateway.signal(signal.SIGKILL)
        assert await asyncio.gather(*map(leave, clients)) == [GOING_AWAY] * 8
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


async def test_while_it_drains_nothing_new_is_accepted(file: Path, redis: RedisServer):
    async with serving_with_workers(file, redis.url, "--drain-seconds", "60") as gateway:
        for _ in range(4):
            await gateway.connect()
        gateway.signal(signal.SIGTERM)
        await gateway.says("workers (2) close")
        async with asyncio.timeout(20):
            while await _accepts(gateway):
                await asyncio.sleep(0.05)
        assert (await control(gateway, "/readyz")) == (503, "draining\n")


async def _accepts(gateway: Served) -> bool:
    try:
        async with asyncio.timeout(1):
            await (await RawWebSocket.connect(gateway.ready["data"].replace("http", "ws", 1) + "/prod")).drop()
    except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError):
        return False
    return True


@pytest.mark.parametrize("options", [[], ["--no-lanes"]], ids=["lanes", "aiohttp"])
async def test_whoever_was_accepted_before_the_drain_is_let_in_and_told(
    file: Path, redis: RedisServer, options: list[str]
):
    async with serving(file, "--redis", redis.url, "--drain-seconds", "0", *options) as gateway:
        url = gateway.ready["data"]
        waiting = [await open_socket(url) for _ in range(8)]
        # They were accepted in the order in which they came.
        last = await gateway.connect()
        gateway.signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            while await _listens(url):
                await asyncio.sleep(0.002)
        for raw in waiting:
            await raw.send(handshake("/prod", url.partition("//")[2]))
        clients = [RawWebSocket(raw, await raw.receive_response()) for raw in waiting]
        assert [client.response.status for client in clients] == [101] * 8
        assert await asyncio.gather(*map(leave, [*clients, last])) == [GOING_AWAY] * 9
        assert await gateway.ended() == 0


async def _listens(url: str) -> bool:
    try:
        await (await open_socket(url)).drop()
    except OSError:
        return False
    return True


async def test_sigusr2_reads_the_files_again_and_closes_nothing(file: Path, redis: RedisServer):
    async with serving_with_workers(file, redis.url) as gateway:
        clients = [await gateway.connect() for _ in range(12)]
        file.write_text(definition("second"))
        gateway.signal(signal.SIGUSR2)
        await gateway.says("wsgw: deployed", 2)
        assert [(await ask(client))[0] for client in clients] == ["second"] * 12


async def test_sigusr1_opens_the_access_log_anew(file: Path, redis: RedisServer, tmp_path: Path):
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    async with serving_with_workers(file, redis.url, "--access-log", str(log)) as gateway:
        workers = children(gateway)
        assert workers
        log.rename(moved)
        gateway.signal(signal.SIGUSR1)
        await until(log.exists)
        new, old = log.stat().st_ino, moved.stat().st_ino
        await until(lambda: all(_has_open(pid, new) and not _has_open(pid, old) for pid in workers))
        assert children(gateway) == workers


def _has_open(pid: int, inode: int) -> bool:
    numbers: list[Any] = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            numbers.append(one.stat().st_ino)
        except OSError:
            continue
    return inode in numbers
