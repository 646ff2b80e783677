"""The supervisor: starts the workers, keeps them running, replaces and ends them, and answers their control port.

It holds no connection and no definition. What it must not do is die: so it does little, and waits for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from wsgw.server.control import Control
from wsgw.server.notify import READY, STOPPING, notify
from wsgw.server.process import WorkerProcess
from wsgw.server.slots import Pace, Slot, longest_drain
from wsgw.server.sockets import DataAddresses
from wsgw.server.worker import Order
from wsgw.settings import Settings

log = logging.getLogger("wsgw.workers")

#: What tells two workers' lines of the log apart that say the same.
_TIME = re.compile(rb'^\{"time":"[^"]*",')
#: A Unix socket's path has 108 bytes on Linux, less elsewhere; a name takes some of them.
_LONGEST = 80


class Supervisor:
    """Runs `settings.workers` workers, each started with `command`; see Order for what a worker is told."""

    def __init__(
        self,
        settings: Settings,
        files: Sequence[Path],
        command: Sequence[str],
        *,
        watch: bool = False,
        pace: Pace | None = None,
    ) -> None:
        self._settings = settings
        self._files = tuple(map(str, files))
        self._command = command
        self._watch = watch
        self._pace = pace or Pace()
        self._slots: list[Slot] = []
        self._keeping: list[asyncio.Task[None]] = []
        self._rolling: asyncio.Task[None] | None = None
        self._roll_again = False
        self._changed = asyncio.Event()
        self._started = False
        self._stop = asyncio.Event()
        self._now = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        """Serve until a signal, or until it turns out that no worker can; gives the exit code."""
        with contextlib.ExitStack() as stack:
            directory = _directory()
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            try:
                addresses = DataAddresses(self._settings)
                for number in range(self._settings.workers):
                    self._slots.append(self._slot(number, directory, addresses))
                    stack.callback(self._slots[-1].close)
                control = Control(self._settings, self._slots, self._stop.is_set)
                url = await control.open()
            except OSError as error:
                click.echo(f"wsgw: {error}", err=True)
                return 1
            self._signals()
            self._keeping = [asyncio.create_task(slot.keep()) for slot in self._slots]
            await self._until_started(url)
            await self._stop.wait()
            notify(STOPPING)
            await self._end()
            await control.close()
        return self._code

    def _slot(self, number: int, directory: Path, addresses: DataAddresses) -> Slot:
        order = Order(
            slot=number, settings=self._settings, files=self._files, watch=self._watch, control=str(directory)
        )
        return Slot(
            order,
            self._command,
            addresses,
            self._pace,
            others_serve=lambda: any(slot.worker is not None for slot in self._slots if slot.number != number),
            on_change=self._on_change,
            on_failure=self._failed,
        )

    # ---- the beginning

    async def _until_started(self, control: str) -> None:
        """Wait until all workers serve, and say so; or until the start was given up."""
        stopped = asyncio.create_task(self._stop.wait())
        while not self._stop.is_set() and not all(slot.worker for slot in self._slots):
            self._changed.clear()
            changed = asyncio.create_task(self._changed.wait())
            await asyncio.wait([stopped, changed], return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        stopped.cancel()
        workers = [slot.worker for slot in self._slots if slot.worker is not None]
        if self._stop.is_set() or len(workers) < len(self._slots):
            return
        self._started = True
        # All read the same files: what all say is said once.
        lines = (line for worker in workers for line in worker.said.splitlines(keepends=True))
        _say(b"".join({_TIME.sub(b"", line): line for line in lines}.values()))
        ready = [worker.ready for worker in workers if worker.ready is not None]
        nodes = ",".join(one.node for one in ready)
        click.echo(f"ready data={ready[0].data} control={control} node={nodes} workers={len(workers)}")
        for address in ready[0].addresses:
            click.echo(f"wsgw: {address}", err=True)
        notify(READY)

    def _on_change(self, worker: WorkerProcess | None) -> None:
        self._changed.set()
        if self._started and worker is not None:
            _say(worker.said)

    def _failed(self, worker: WorkerProcess, code: int) -> None:
        """At the very start, files or settings that one worker cannot serve, no other can."""
        if not self._started and code in (1, 2) and not self._stop.is_set():
            _say(worker.said)
            self._code = code
            self._stop.set()
            self._now.set()
            for slot in self._slots:
                slot.kill()

    # ---- signals

    def _signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_end)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self._pass_on, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)

    def _on_end(self) -> None:
        if self._stop.is_set():
            # Asked twice: whoever asks does not want to wait for the drain.
            self._code = 1
            self._now.set()
            return
        self._stop.set()
        seconds = self._settings.drain_seconds
        if self._started and seconds:
            message = f"workers ({len(self._slots)}) close their connections over {seconds:g} s"
            click.echo(f"wsgw: {message}; a second signal ends it now", err=True)

    def _pass_on(self, number: int) -> None:
        for slot in self._slots:
            slot.pass_on(number)

    def _on_hang_up(self) -> None:
        if self._rolling is not None and not self._rolling.done():
            # Those that were replaced already have not seen what has changed since.
            self._roll_again = True
        elif not self._stop.is_set():
            self._rolling = asyncio.create_task(self._roll())

    async def _roll(self) -> None:
        """Replace the workers, one after the other; the first that cannot be replaced ends it."""
        while True:
            self._roll_again = False
            for slot in self._slots:
                if self._stop.is_set() or not await slot.roll():
                    break
            else:
                log.info("all workers (%d) were replaced", len(self._slots))
            if not self._roll_again:
                return

    # ---- the end

    async def _end(self) -> None:
        """Have all workers drain, or kill them: when told so, when one is stuck, and when the start was given up."""
        stopping = asyncio.gather(*(slot.stop() for slot in self._slots))
        now = asyncio.create_task(self._now.wait())
        longest = longest_drain(self._settings)
        first: list[asyncio.Future[Any]] = [stopping, now]
        await asyncio.wait(first, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            if not self._now.is_set():
                log.error("workers had not ended after %g s, and were killed", longest)
                self._code = 1
            for slot in self._slots:
                slot.kill()
        await stopping
        now.cancel()
        await asyncio.gather(*self._keeping)
        if self._rolling is not None:
            await self._rolling


def _say(text: bytes) -> None:
    sys.stderr.write(text.decode(errors="replace"))
    sys.stderr.flush()


def _directory() -> Path:
    """A new directory for control sockets that only this user reaches."""
    directory = tempfile.mkdtemp(prefix="wsgw-")
    if len(directory) > _LONGEST:
        Path(directory).rmdir()
        directory = tempfile.mkdtemp(prefix="wsgw-", dir="/tmp")  # made with mode 0700, by a random name
    return Path(directory)
