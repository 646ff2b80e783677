"""`make cluster` as people start it: deploy/cluster.py in a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.harness.pace import SLOWER

SCRIPT = Path(__file__).parents[2] / "deploy/cluster.py"
WAIT = 30 * SLOWER


class Shown(NamedTuple):
    """What it prints of one node."""

    page: str
    node: str
    pid: int


class ClusterCommand:
    """The running command. `nodes` are as they were in the beginning, `lines` all that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.nodes: list[Shown] = []
        self.lines: list[str] = []
        self._said = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._said:
                self.lines.append(line.decode().rstrip())
                self._said.notify_all()

    async def says(self, text: str) -> str:
        """The first line with `text` in it, once it was printed."""
        try:
            async with asyncio.timeout(WAIT), self._said:
                await self._said.wait_for(lambda: any(text in line for line in self.lines))
        except TimeoutError:
            raise AssertionError("\n".join([f"never said {text!r}:", *self.lines])) from None
        return next(line for line in self.lines if text in line)

    async def started(self) -> None:
        await self.says("Ctrl-C ends everything")
        for line in self.lines:
            if found := re.match(r"node \d: (\S+)\s+\(node (\w+); end it with: kill (\d+)\)", line):
                self.nodes.append(Shown(found[1], found[2], int(found[3])))

    def end_node(self, number: int) -> None:
        """End a node (1 or 2) as it says that one should."""
        os.kill(self.nodes[number - 1].pid, signal.SIGTERM)

    async def stop(self) -> int:
        """Ctrl-C; gives its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(self.process.wait(), WAIT)
        await self._reading
        return code


@asynccontextmanager
async def running_cluster() -> AsyncIterator[ClusterCommand]:
    """A cluster, ready; ended in the end, with all that it has started."""
    ports = ["--port", "0", "--port", "0", "--page-port", "0"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, SCRIPT, *ports),
        # No node takes Redis for away because the machine is busy.
        env={**os.environ, "WSGW_REDIS_SECONDS": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    one = ClusterCommand(process)
    try:
        await one.started()
        yield one
    finally:
        await one.stop()
