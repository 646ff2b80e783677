"""A real redis-server that a test starts, breaks, and starts again on the same port.

    async with RedisServer() as redis:
        … redis.url …
        await redis.cli("SET", "key", "value")
        redis.freeze()

`redis_sets.py` has several of them together: Sentinel, Redis Cluster.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import redis.asyncio
import trustme
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.harness.ports import free_port

HOST = "127.0.0.1"
WAIT = 10.0


def need_redis() -> str:
    """The path of redis-server; skips the test where there is none, and fails where CI runs it."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        reason = "redis-server is missing (Debian, Ubuntu: apt-get install redis-server)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class RedisServer:
    """One redis-server on a free port, empty, without persistence; `port` and `url` stay the same over restarts.

    user, password: who may use it, and what `url` says; a password alone is that of the default user
    tls: certificates of an authority made for it, whose PEM file is `ca`
    persistent: keep an append-only file, so that `restart(empty=False)` finds what was written before a `kill()`
    options: what else stands on the command line, such as "--maxmemory", "1mb"
    """

    def __init__(
        self, *options: str, user: str = "", password: str = "", tls: bool = False, persistent: bool = False
    ) -> None:
        self.user, self.password, self.tls = user, password, tls
        self.port = 0
        self.ca = ""
        self._persistent = persistent
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    # ---- where it is

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """With the user and the password, if there are any."""
        login = f"{self.user}:{self.password}@" if self.password else ""
        return f"{'rediss' if self.tls else 'redis'}://{login}{self.address}"

    @property
    def url_without_password(self) -> str:
        return f"{'rediss' if self.tls else 'redis'}://{f'{self.user}@' if self.user else ''}{self.address}"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # ---- what is done to it

    async def start(self) -> None:
        """Start it, on another port if the first one has been taken meanwhile; returns when it answers."""
        program = need_redis()
        self.directory = Path(tempfile.mkdtemp(prefix="redis-"))
        for _ in range(20):
            self.port = free_port()
            if await self._start(program):
                return
        raise AssertionError(f"redis-server did not start:\n{self.log}")

    async def restart(self, empty: bool = True) -> None:
        """Stop it if it runs, start it on the same port. Not empty: with what it held or, if persistent, wrote."""
        if self.running:
            await self.stop(save=not empty)
        if empty:
            for found in self.directory.iterdir():
                if found.name == "appendonlydir":
                    shutil.rmtree(found)
                elif found.suffix in (".rdb", ".aof"):
                    found.unlink()
        assert await self._start(need_redis()), f"redis-server did not start again:\n{self.log}"

    async def stop(self, save: bool = False) -> None:
        """SHUTDOWN NOSAVE (or SAVE): clients see their connections end, then refused."""
        self.thaw()
        try:
            await self.cli("SHUTDOWN", "SAVE" if save else "NOSAVE")
        except redis.exceptions.ConnectionError:
            pass
        await self._ended()

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            await self._ended()

    def freeze(self) -> None:
        """SIGSTOP: connections stay and new ones are accepted by the kernel, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: what was sent meanwhile is answered now."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    async def kill_pubsub(self) -> int:
        """End every connection that has subscriptions; gives how many there were."""
        return int(await self.cli("CLIENT", "KILL", "TYPE", "pubsub"))

    async def flush(self) -> None:
        await self.cli("FLUSHALL")

    async def cli(self, *args: str | bytes | float) -> Any:
        """Run one command over a connection of its own; answers come decoded. Raises redis-py's errors."""
        client = self.client(decode_responses=True)
        async with client:
            return await client.execute_command(*args)

    def client(self, **options: Any) -> redis.asyncio.Redis:
        """A client of redis-py, which whoever asks for it closes."""
        if self.tls:
            options["ssl_ca_certs"] = self.ca
        return redis.asyncio.Redis.from_url(self.url, socket_timeout=WAIT, retry=Retry(NoBackoff(), 0), **options)

    def close(self) -> None:
        """End it at once and remove its files."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if hasattr(self, "directory"):
            shutil.rmtree(self.directory, ignore_errors=True)

    # ---- how

    def _arguments(self) -> list[str]:
        port = "--tls-port" if self.tls else "--port"
        words = [port, str(self.port), "--bind", HOST, "--dir", str(self.directory), "--save", ""]
        words += ["--appendonly", "yes", "--appendfsync", "always"] if self._persistent else ["--appendonly", "no"]
        if self.tls:
            authority = trustme.CA()
            certificate = authority.issue_cert(HOST, "localhost")
            self.ca = str(self.directory / "ca.pem")
            authority.cert_pem.write_to_path(self.ca)
            certificate.private_key_and_cert_chain_pem.write_to_path(str(self.directory / "server.pem"))
            words += ["--port", "0", "--tls-auth-clients", "no", "--tls-ca-cert-file", self.ca]
            words += ["--tls-cert-file", str(self.directory / "server.pem")]
            words += ["--tls-key-file", str(self.directory / "server.pem")]
        if self.user:
            words += ["--user", self.user, "on", f">{self.password}", "~*", "&*", "+@all", "--user", "default", "off"]
        elif self.password:
            words += ["--requirepass", self.password]
        return words + list(self._options)

    async def _start(self, program: str) -> bool:
        """False if it ended instead, as it does when its port is taken."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen([*dies_with_us(), program, *self._arguments()], stdout=log, stderr=log)
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            # Another server could be what answers on this port.
            if await self._answers() == self._process.pid:
                return True
            await asyncio.sleep(0.01)
        self._process.kill()
        raise AssertionError(f"redis-server does not answer:\n{self.log}")

    async def _answers(self) -> int | None:
        try:
            return int((await self.cli("INFO", "server"))["process_id"])
        except redis.exceptions.RedisError:
            return None

    async def _ended(self) -> None:
        assert self._process is not None
        await asyncio.to_thread(self._process.wait, WAIT)


def dies_with_us() -> list[str]:
    """What to put before a command so that it ends when the test process does, even by SIGKILL; Linux has it."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL"] if found else []
