"""The chat example over two nodes and one Redis, without containers: `make cluster`.

It starts a redis-server, two nodes of the gateway and the chat's backend, and prints a page for each node. A node that
ends is started again on its port, as systemd or Kubernetes would do it: end one with the command that is printed, and
watch its page come back. Ctrl-C ends everything.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
CHAT = ROOT / "examples" / "chat"
HOST = "127.0.0.1"
#: Where the example's definition file looks for its backend.
BACKEND = f"http://{HOST}:8090"
NODES = 2


class Failed(Exception):
    """Something did not start; the text says what, and why."""


class Process:
    """A child in a session of its own: Ctrl-C in the terminal is for this program, which ends its children in order."""

    def __init__(self, name: str, *command: str | Path, **environment: str) -> None:
        self.name = name
        self._command = [str(word) for word in command]
        self._environment = {**os.environ, **environment}

    async def start(self, until: str) -> str:
        """Start it; gives the line that begins with `until` when it has said that. Raises Failed."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environment, start_new_session=True, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if until in line.decode():
                # It goes on to say things, and must never wait for somebody to read them.
                self._reading = asyncio.create_task(self._read(self._process.stdout))
                return line.decode().strip()
        raise Failed(f"{self.name} did not start; exit code {await self._process.wait()}")

    @staticmethod
    async def _read(stream: asyncio.StreamReader) -> None:
        async for _ in stream:
            pass

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> int:
        """Its exit code, when it has ended."""
        return await self._process.wait()

    async def end(self) -> None:
        """Ask it to end, and wait until it has."""
        if hasattr(self, "_process") and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 20)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


class Node(Process):
    """One node of the gateway on `port`, started again whenever it ends."""

    def __init__(self, number: int, port: int, file: Path, redis: str, secret: str) -> None:
        self.port = port
        self.ready: dict[str, str] = {}
        options = ["--port", str(port), "--control-port", "0", "--redis", redis]
        # A drain is for thousands who would all come back at once, and an access log would bury the addresses.
        options += ["--drain-seconds", "0", "--access-log", "", "--lease-seconds", "3"]
        command = [sys.executable, "-m", "wsgw", "serve", file, *options]
        super().__init__(f"node {number}", *command, WSGW_CLUSTER_SECRET=secret)

    async def begin(self) -> None:
        """Start it. Raises Failed."""
        line = await self.start("ready ")
        self.ready = dict(word.split("=", 1) for word in line.split()[1:])

    async def keep(self) -> None:
        """Start it again whenever it ends."""
        pause = 0.5
        while True:
            code = await self.ended()
            say(f"{self.name} has ended with exit code {code}; it is started again")
            await asyncio.sleep(pause)
            try:
                await self.begin()
            except Failed as failure:
                say(str(failure))
                pause = min(2 * pause, 10)
                continue
            pause = 0.5
            say(f"{self.name} is back; end it again with: kill {self.pid}")


class Cluster:
    """Redis, the chat's backend with its pages, and the nodes. `ports`: the pages', then each node's; 0: a free one."""

    def __init__(self, ports: list[int], directory: Path) -> None:
        self._page_port, *node_ports = ports
        self._node_ports = [port or free_port() for port in node_ports]
        self._directory = directory
        self._redis: Process | None = None
        self.nodes: list[Node] = []

    async def start(self) -> str:
        """Start all of it, Redis first; gives the address of the pages. Raises Failed and OSError."""
        redis = await self._start_redis()
        page = await self._start_backend()
        definition = self._directory / "wsgw.yaml"
        definition.write_text((CHAT / "wsgw.yaml").read_text(encoding="utf-8").replace(BACKEND, page), encoding="utf-8")
        secret = secrets.token_hex()
        self.nodes = [Node(number, port, definition, redis, secret) for number, port in enumerate(self._node_ports, 1)]
        await asyncio.gather(*(node.begin() for node in self.nodes))
        return page

    async def _start_redis(self) -> str:
        server = shutil.which("redis-server") or shutil.which("valkey-server")
        if server is None:
            raise Failed("there is no redis-server on this machine; on Debian or Ubuntu: apt-get install redis-server")
        port = free_port()
        # Nothing is worth keeping: what is in it says who is connected now.
        options = ["--port", str(port), "--bind", HOST, "--dir", self._directory, "--save", "", "--appendonly", "no"]
        redis = Process("redis-server", server, *options)
        self._redis = redis
        await redis.start("Ready to accept connections")
        return f"redis://{HOST}:{port}/0"

    async def _start_backend(self) -> str:
        from aiohttp import web

        sys.path.insert(0, str(CHAT))
        import backend  # type: ignore[import-not-found]

        gateways = " ".join(f"ws://{HOST}:{port}/chat/prod" for port in self._node_ports)
        self._backend = web.AppRunner(backend.application(gateways), access_log=None, shutdown_timeout=1)
        await self._backend.setup()
        await web.TCPSite(self._backend, HOST, self._page_port).start()
        return f"http://{HOST}:{self._backend.addresses[0][1]}"

    async def stop(self) -> None:
        """End the nodes, then what they need."""
        await asyncio.gather(*(node.end() for node in self.nodes))
        if self._redis is not None:
            await self._redis.end()
        if hasattr(self, "_backend"):
            await self._backend.cleanup()


def free_port() -> int:
    """A port that nobody listens on, and that no outgoing connection gets before its node listens, or listens again."""
    while True:
        port = secrets.choice(range(28_000, 32_000))
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def say(text: str) -> None:
    """Print a line at once, even into a pipe."""
    click.echo(text)
    sys.stdout.flush()


@click.command(help=__doc__)
@click.option("--port", "ports", type=int, multiple=True, help="Of a node; give it twice  [default: 8080 8082]")
@click.option("--page-port", type=int, default=8090, show_default=True, help="Of the pages; 0 picks a free one")
def main(ports: tuple[int, ...], page_port: int) -> None:
    if len(ports) not in (0, NODES):
        raise click.UsageError(f"--port: give it {NODES} times, or not at all")
    with tempfile.TemporaryDirectory(prefix="wsgw-cluster-") as directory:
        cluster = Cluster([page_port, *(ports or (8080, 8082))], Path(directory))
        sys.exit(asyncio.run(run(cluster)))


async def run(cluster: Cluster) -> int:
    """Run until a signal; gives the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keepers: list[asyncio.Task[Any]] = []
    starting = asyncio.create_task(cluster.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            starting.cancel()
            return 0
        page = starting.result()
        for number, node in enumerate(cluster.nodes, 1):
            say(f"node {number}: {page}/?node={number}   (node {node.ready['node']}; end it with: kill {node.pid})")
        say("open a page of each and talk across; Ctrl-C ends everything")
        keepers = [asyncio.create_task(node.keep()) for node in cluster.nodes]
        await stopping
    except (Failed, OSError) as failure:
        click.echo(f"make cluster: {failure}", err=True)
        return 1
    finally:
        for task in [*keepers, stopping]:
            task.cancel()
        await asyncio.gather(*keepers, stopping, starting, return_exceptions=True)
        await cluster.stop()
    return 0


if __name__ == "__main__":
    main()
