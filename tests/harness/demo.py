"""`wsgw demo` as people start it: in a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.harness.pace import SLOWER

WAIT = 20 * SLOWER
_PORTS = {"--port": "0", "--control-port": "0", "--page-port": "0"}


class Demo:
    """A running demo. `ready` holds the words of its ready line, `page` is the page's address."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.ready: dict[str, str] = {}
        self.page = ""

    @property
    def ws_url(self) -> str:
        """The address of the chat's stage."""
        return self.ready["data"].replace("http", "ws", 1) + "/chat/prod"

    async def started(self) -> None:
        """Read what it prints when it is ready. Fails with what it says instead."""
        out = self._process.stdout
        assert out is not None
        lines = [(await asyncio.wait_for(out.readline(), WAIT)).decode() for _ in range(2)]
        assert lines[0].startswith("ready "), await self._complaint()
        self.ready = dict(word.split("=", 1) for word in lines[0].split()[1:])
        assert lines[1].startswith("chat page http://"), lines
        self.page = lines[1].split()[2]

    async def _complaint(self) -> str:
        assert self._process.stderr is not None
        return (await self._process.stderr.read()).decode()

    async def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Ask it to end, as Ctrl-C does; gives its exit code and what it wrote to standard error."""
        self._process.send_signal(number)
        _, err = await asyncio.wait_for(self._process.communicate(), WAIT)
        assert self._process.returncode is not None
        return self._process.returncode, err.decode()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()


def command(**options: str) -> list[str]:
    """The command line. Options as `page_port="8090"`; a port not given is a free one, one that is "" the default."""
    given = _PORTS | {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    words = [word for name, value in given.items() if value for word in (name, value)]
    return [sys.executable, "-m", "wsgw", "demo", *words]


@asynccontextmanager
async def running_demo(**options: str) -> AsyncIterator[Demo]:
    """A demo, ready; killed in the end if it still runs."""
    pipe = asyncio.subprocess.PIPE
    demo = Demo(await asyncio.create_subprocess_exec(*command(**options), stdout=pipe, stderr=pipe))
    try:
        await demo.started()
        yield demo
    finally:
        await demo.kill()
