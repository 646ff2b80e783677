"""`wsgw serve` as people start it: in a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import RawWebSocket

WAIT = 15 * (1 + SLOWER)


class DidNotStart(Exception):
    """The command ended without a ready line: `code` is its exit code, `said` all it wrote."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"exit code {code}: {said}")
        self.code = code
        self.said = said


class Served:
    """A running gateway. `ready` holds the words of its ready line, `log` the lines of standard error so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.ready: dict[str, str] = {}
        self.log: list[str] = []
        self._clients: list[RawWebSocket] = []
        self._said = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._said:
                self.log.append(line.decode().rstrip())
                self._said.notify_all()

    async def started(self) -> None:
        """Read the ready line. Raises DidNotStart with what the process says instead."""
        assert self.process.stdout is not None
        try:
            line = (await asyncio.wait_for(self.process.stdout.readline(), WAIT)).decode()
        except TimeoutError:
            raise AssertionError("\n".join([f"not ready after {WAIT} s:", *self.log])) from None
        if not line.startswith("ready "):
            await self._reading
            raise DidNotStart(await self.ended(), "\n".join([line, *self.log]))
        self.ready = dict(word.split("=", 1) for word in line.split()[1:])

    async def says(self, text: str, count: int = 1) -> None:
        """Return once `text` has stood in `count` lines of standard error."""
        try:
            async with asyncio.timeout(WAIT), self._said:
                await self._said.wait_for(lambda: sum(text in line for line in self.log) >= count)
        except TimeoutError:
            raise AssertionError("\n".join([f"never said {text!r}:", *self.log])) from None

    async def connect(self, path: str = "/prod") -> RawWebSocket:
        """A raw client, connected, dropped in the end. Raises HandshakeRefused."""
        client = await RawWebSocket.connect(self.ready["data"].replace("http", "ws", 1) + path)
        self._clients.append(client)
        return client

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, when it has ended."""
        return await asyncio.wait_for(self.process.wait(), WAIT)

    async def close(self) -> None:
        for client in self._clients:
            await client.drop()
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
        await self._reading


@asynccontextmanager
async def serving(file: Path, *options: str) -> AsyncIterator[Served]:
    """`wsgw serve` with this file and these options, ready; killed in the end if it still runs."""
    command = [sys.executable, "-m", "wsgw", "serve", str(file), "--port", "0", "--control-port", "0", *options]
    pipe = asyncio.subprocess.PIPE
    one = Served(await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe))
    try:
        await one.started()
        yield one
    finally:
        await one.close()
