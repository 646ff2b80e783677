"""One worker process as the supervisor sees it: started with an order, ready or not, ended and why."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from wsgw.server.worker import Order, Ready

#: Most bytes that are kept of what a worker writes before it is ready.
_MOST_SAID = 16_384
#: What a pipe takes before anybody reads from it.
_PIPE_BYTES = 65_536


class WorkerProcess:
    """A running worker. `ready` is set once it serves, `said` is what it wrote until then."""

    def __init__(self, order: Order, process: Process, leash: int, report: int, stderr: int) -> None:
        loop = asyncio.get_running_loop()
        self.order = order
        self.ready: Ready | None = None
        self.said = b""
        self.born = loop.time()
        self._process = process
        self._leash = leash
        self._reported: asyncio.Future[None] = loop.create_future()
        self._report, self._stderr = report, stderr
        self._reading = {report, stderr}
        loop.add_reader(report, self._on_report, report)
        loop.add_reader(stderr, self._on_stderr, stderr)
        self._ending = asyncio.create_task(self._end())

    @classmethod
    async def start(cls, command: Sequence[str], order: Order) -> WorkerProcess:
        """Start `command` with this order; its `report` and `log` are filled in here. Raises OSError."""
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            # Pipes of our own: asyncio's keep `wait()` waiting for as long as any child of the worker holds them.
            (stdin, leash), (report, reporting), (stderr, writing) = os.pipe(), os.pipe(), os.pipe()
            log = os.dup(2)
            for number in (leash, report, stderr):
                ours.callback(os.close, number)
            for number in (stdin, reporting, writing, log):
                theirs.callback(os.close, number)
            order = msgspec.structs.replace(order, report=reporting, log=log)
            text = msgspec.json.encode(order) + b"\n"
            if len(text) > _PIPE_BYTES:
                fcntl.fcntl(leash, fcntl.F_SETPIPE_SZ, len(text))
            os.write(leash, text)
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=stdin,
                stderr=writing,
                pass_fds=(reporting, log, *(number for group in order.sockets for number in group)),
                # A Ctrl-C at the terminal is for the supervisor alone: workers end when it says so.
                start_new_session=True,
            )
            ours.pop_all()
        return cls(order, process, leash, report, stderr)

    # ---- ready

    async def until_ready(self, seconds: float) -> str:
        """Wait until it serves. Gives "", or why it does not: then it has ended, killed if it took too long."""
        first: list[asyncio.Future[Any]] = [self._reported, self._ending]
        await asyncio.wait(first, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self.ready is not None:
            return ""
        if self._ending.done() or self._reported.done():
            # Not the report, but its end: it is about to exit.
            return await self._why_not(seconds)
        self.kill()
        await self.ended()
        return f"it was not ready after {seconds:g} s"

    async def _why_not(self, seconds: float) -> str:
        done, _ = await asyncio.wait([self._ending], timeout=seconds)
        if not done:
            self.kill()
        return why(await self.ended())

    def _on_report(self, report: int) -> None:
        line = os.read(report, 65_536)
        self._let_go(report)
        # What it wrote before is in the other pipe, although the loop may show this one first.
        with contextlib.suppress(BlockingIOError):
            while self._stderr in self._reading:
                os.set_blocking(self._stderr, False)
                self._on_stderr(self._stderr)
        if line:
            self.ready = msgspec.json.decode(line, type=Ready)
        self._reported.set_result(None)

    def _on_stderr(self, stderr: int) -> None:
        """Keep what it writes before it is ready. What comes later by this way (a child's output) goes to the log."""
        part = os.read(stderr, 65_536)
        if not part:
            self._let_go(stderr)
        elif self.ready is None:
            self.said = (self.said + part)[-_MOST_SAID:]
        else:
            sys.stderr.buffer.write(part)
            sys.stderr.flush()

    def _let_go(self, descriptor: int) -> None:
        if descriptor in self._reading:
            self._reading.discard(descriptor)
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def last_words(self) -> str:
        """The last lines that it wrote before it was ready."""
        return "\n".join(self.said.decode(errors="replace").splitlines()[-10:])

    # ---- the end

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        # Not its own send_signal: that looks whether the process has ended, and then nobody else learns its exit code.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    async def ended(self) -> int:
        """Its exit code once it has ended; the number of a signal that ended it, negative."""
        return await asyncio.shield(self._ending)

    def when_ended(self, call: Callable[[], object]) -> None:
        """Call `call` once it has ended."""
        self._ending.add_done_callback(lambda _: call())

    async def _end(self) -> int:
        code = await self._process.wait()
        os.close(self._leash)
        # What it wrote last is in the pipes, whoever else still holds their other ends.
        for descriptor in list(self._reading):
            os.set_blocking(descriptor, False)
        for read, descriptor in ((self._on_report, self._report), (self._on_stderr, self._stderr)):
            while descriptor in self._reading:
                try:
                    read(descriptor)
                except BlockingIOError:
                    self._let_go(descriptor)
        if not self._reported.done():
            self._reported.set_result(None)
        return code


def why(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
