"""Redis servers together: a master that Sentinel watches, and a cluster of three shards."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import redis.asyncio

from tests.harness.pace import SLOWER
from tests.harness.redis_server import HOST, WAIT, RedisServer

SERVICE = "mymaster"


class _Sentinel(RedisServer):
    """One sentinel. It rewrites its configuration, so that it needs a file."""

    def __init__(self, master: RedisServer) -> None:
        super().__init__()
        self._master = master

    def _arguments(self) -> list[str]:
        file = self.directory / "sentinel.conf"
        # One that starts again goes on with what it wrote there.
        if not file.exists() or f"port {self.port}\n" not in file.read_text():
            file.write_text(
                f"port {self.port}\nbind {HOST}\ndir {self.directory}\n"
                f"sentinel monitor {SERVICE} {HOST} {self._master.port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {1000 * SLOWER}\n"
                f"sentinel failover-timeout {SERVICE} 5000\n"
                f"sentinel parallel-syncs {SERVICE} 2\n"
            )
        return [str(file), "--sentinel"]


class _Set:
    """Servers that are started and closed together."""

    def __init__(self) -> None:
        self.servers: list[RedisServer] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    async def _start(self) -> None:
        raise NotImplementedError

    async def _add(self, *servers: RedisServer) -> None:
        self.servers += servers
        await asyncio.gather(*(one.start() for one in servers))

    def close(self) -> None:
        for one in self.servers:
            one.close()

    async def flush(self) -> None:
        raise NotImplementedError


class SentinelSet(_Set):
    """A master, two replicas, and three sentinels that take it for down after a second, or a few where processes may
    stand still for as long as that; a failover takes one or two more."""

    async def _start(self) -> None:
        # A master waits five seconds for more replicas before it sends the first its data, unless told not to.
        at_once = ("--repl-diskless-sync-delay", "0")
        self.first = RedisServer(*at_once)
        await self._add(self.first)
        self.replicas = [RedisServer("--replicaof", HOST, str(self.first.port), *at_once) for _ in range(2)]
        await self._add(*self.replicas)
        # A sentinel asks a master for its replicas when it starts, and then every ten seconds only.
        await _becomes(self._replicated)
        self.sentinels = [_Sentinel(self.first) for _ in range(3)]
        await self._add(*self.sentinels)
        await _becomes(self._agreed)

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(one.address for one in self.sentinels)}/{SERVICE}"

    @property
    def data_servers(self) -> list[RedisServer]:
        return [self.first, *self.replicas]

    async def master(self) -> RedisServer:
        """The server that the first sentinel that answers holds for the master."""
        for sentinel in self.sentinels:
            if sentinel.running:
                _, port = await sentinel.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
                return next(one for one in self.data_servers if one.port == int(port))
        raise AssertionError("no sentinel runs")

    async def failover(self) -> RedisServer:
        """Have Sentinel make a replica the master, in order; gives the new one once it takes writes."""
        before = await self.master()
        await self.sentinels[0].cli("SENTINEL", "FAILOVER", SERVICE)
        return await self.failed_over(before)

    async def kill_master(self) -> RedisServer:
        """SIGKILL the master; gives it. `failed_over` waits for its successor."""
        master = await self.master()
        await master.kill()
        return master

    async def failed_over(self, before: RedisServer) -> RedisServer:
        """The master after `before`, once it takes writes."""

        async def changed() -> bool:
            now = await self.master()
            return now is not before and (await now.cli("ROLE"))[0] == "master"

        await _becomes(changed, 30)
        return await self.master()

    async def flush(self) -> None:
        await (await self.master()).flush()

    async def _replicated(self) -> bool:
        info = await self.first.cli("INFO", "replication")
        return bool(info["connected_slaves"] == 2 and all(info[f"slave{n}"]["state"] == "online" for n in (0, 1)))

    async def _agreed(self) -> bool:
        for one in self.sentinels:
            found = await one.cli("INFO", "sentinel")
            if (found["master0"]["slaves"], found["master0"]["sentinels"]) != (2, 3):
                return False
        return True


class _Shard(RedisServer):
    """A master of a cluster."""

    @property
    def bus_port(self) -> int:
        # Redis would take port + 10,000, which may be one that outgoing connections get.
        return self.port - 5000

    def _arguments(self) -> list[str]:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", str(self.bus_port)]
        return [*super()._arguments(), *options]


class RedisClusterSet(_Set):
    """Three masters without replicas, with a third of the slots each."""

    async def _start(self) -> None:
        first, *others = [_Shard() for _ in range(3)]
        await self._add(first, *others)
        slots = [0, 5461, 10923, 16384]
        for number, one in enumerate(self.servers):
            await one.cli("CLUSTER", "ADDSLOTSRANGE", str(slots[number]), str(slots[number + 1] - 1))
            # Each needs another epoch, or they would have to settle that first.
            await one.cli("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for one in others:
            await one.cli("CLUSTER", "MEET", HOST, str(first.port), str(first.bus_port))
        await _becomes(self._whole)

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(one.address for one in self.servers)}"

    async def flush(self) -> None:
        for one in self.servers:
            await one.flush()

    async def owner(self, key: str) -> RedisServer:
        """The shard that holds `key`."""
        slot = int(await self.servers[0].cli("CLUSTER", "KEYSLOT", key))
        return self.servers[0 if slot < 5461 else 1 if slot < 10923 else 2]

    async def _whole(self) -> bool:
        for one in self.servers:
            info = await one.cli("CLUSTER", "INFO")
            if "cluster_state:ok" not in info or "cluster_known_nodes:3" not in info:
                return False
        return True


async def _becomes(condition: Any, timeout: float = 2 * WAIT) -> None:
    """Ask until it is true: nobody announces it."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if await condition():
                return
        except redis.exceptions.RedisError:
            pass
        assert time.monotonic() < deadline, "the Redis servers have not come together"
        await asyncio.sleep(0.05)
