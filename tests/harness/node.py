"""A node of a cluster that a test starts, kills, pauses and asks how it is."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence

from tests.harness.history import Event, NodeLost
from tests.harness.raw_websocket import exchange
from tests.harness.redis_server import dies_with_us
from tests.harness.serving import Served


class NodeUnderTest:
    """One `wsgw serve`. `name` changes with every start: a node that comes back is another one.

    arguments: what stands on its command line; record: where it writes down that the others lose it
    """

    def __init__(self, number: int, arguments: Sequence[str], record: Callable[[Event], None]) -> None:
        self._number = number
        self._arguments = arguments
        self._record = record
        self._starts = 0
        self.served: Served | None = None

    @property
    def name(self) -> str:
        return f"n{self._number}.{self._starts}"

    @property
    def running(self) -> bool:
        """It was ready, and has not ended since."""
        return self.served is not None and bool(self.served.ready) and self.served.process.returncode is None

    @property
    def url(self) -> str:
        assert self.served is not None
        return self.served.ready["data"]

    @property
    def control(self) -> str:
        assert self.served is not None
        return self.served.ready["control"]

    @property
    def log(self) -> list[str]:
        """The lines of standard error since it started last."""
        assert self.served is not None
        return self.served.log

    async def start(self) -> None:
        """Start it, or start it again; returns when it is ready."""
        self._starts += 1
        command = [*dies_with_us(), sys.executable, "-m", "wsgw", "serve", *self._arguments]
        command += ["--port", "0", "--control-port", "0"]
        pipe = asyncio.subprocess.PIPE
        self.served = Served(await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe))
        await self.served.started()

    async def kill(self) -> None:
        """SIGKILL."""
        assert self.served is not None
        self.is_lost()
        self.served.signal(signal.SIGKILL)
        await self.served.ended()

    async def terminate(self) -> int:
        """SIGTERM; gives its exit code when it has drained."""
        assert self.served is not None
        self.served.signal(signal.SIGTERM)
        return await self.served.ended()

    def pause(self) -> None:
        """SIGSTOP, for longer than its lease lasts: the others are to take it for dead."""
        assert self.served is not None
        self.is_lost()
        self.served.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self.served is not None
        self.served.signal(signal.SIGCONT)

    def is_lost(self) -> None:
        """Write down that the others are to take it for dead."""
        self._record(NodeLost(asyncio.get_running_loop().time(), self.name))

    async def get(self, path: str) -> tuple[int, bytes]:
        """GET from its control port."""
        host = self.control.removeprefix("http://")
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        answer = await exchange(self.control, request)
        return answer.status, answer.body

    async def ready(self) -> bool:
        return (await self.get("/readyz"))[0] == 200

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples, whatever their labels; 0 if there are none."""
        lines = (await self.get("/metrics"))[1].decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)
