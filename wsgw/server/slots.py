"""A slot: its listening sockets, the worker that serves on them, and the next one when that dies or is replaced."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from wsgw.server.process import WorkerProcess, why
from wsgw.server.sockets import DataAddresses, close
from wsgw.server.worker import Order
from wsgw.settings import Settings
from wsgw.waiting import set_within

log = logging.getLogger("wsgw.workers")

#: What a worker may need beyond its drain and `stop_seconds` before it counts as stuck.
_GRACE = 30


def longest_drain(settings: Settings) -> float:
    """How long a worker that was told to end may take."""
    return settings.drain_seconds + settings.stop_seconds + _GRACE


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How soon a worker that died is started anew: `shortest` seconds at first, doubling to `longest`.

    settled: one that lived this long is forgiven what came before; patient: a slot that waits longer than this gives up
    its sockets meanwhile, so that the others get its share of new connections.
    """

    shortest: float = 0.1
    longest: float = 30
    settled: float = 60
    patient: float = 1

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.longest, self.shortest * 2.0 ** min(failures - 1, 30))


class Slot:
    """Keeps one worker running. `order` lacks what differs between starts; `others_serve` says if others take over.

    `worker` is the one that serves, None while there is none. `on_change` is called with it when that
    changes, `on_failure` with every worker that did not start, and its exit code.
    """

    def __init__(
        self,
        order: Order,
        command: Sequence[str],
        addresses: DataAddresses,
        pace: Pace,
        *,
        others_serve: Callable[[], bool],
        on_change: Callable[[WorkerProcess | None], None],
        on_failure: Callable[[WorkerProcess, int], None],
    ) -> None:
        self.number = order.slot
        self.worker: WorkerProcess | None = None
        #: Every process of this slot that has not ended: beside `worker`, one that starts and those that drain.
        self.running: set[WorkerProcess] = set()
        self.restarts = 0
        self._order, self._command, self._addresses, self._pace = order, command, addresses, pace
        self._others_serve, self._on_change, self._on_failure = others_serve, on_change, on_failure
        self._sockets = addresses.sockets()
        self._generation = 0
        self._failures = 0
        #: Signals that came while a worker was starting: it may have read its files before.
        self._late: dict[WorkerProcess, list[int]] = {}
        self._starting = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._stopping = False

    # ---- keeping one running

    async def keep(self) -> None:
        """Have a worker serve, until `stop`."""
        while not self._stopping:
            async with self._starting:
                # A roll may have started one meanwhile.
                reason = "" if self.worker is not None or self._stopping else await self._launch()
            if not reason and (worker := self.worker) is not None:
                code = await worker.ended()
                if worker is not self.worker:
                    continue
                self.worker = None
                self._on_change(self.worker)
                reason = why(code)
                if asyncio.get_running_loop().time() - worker.born >= self._pace.settled:
                    self._failures = 0
                self._failures += 1
            if reason and not self._stopping:
                await self._pause(reason)

    async def _pause(self, reason: str) -> None:
        seconds = self._pace.pause(self._failures)
        self.restarts += 1
        if seconds > self._pace.patient and self._others_serve() and self._sockets:
            self._give_up_sockets()
        log.error("worker %d ended: %s; it is started anew in %g s", self.number, reason, seconds)
        await set_within(self._hurry, seconds)

    def _give_up_sockets(self) -> None:
        """Whoever waits in their queues is refused: better than to wait as long as the pause."""
        close(self._sockets)
        self._sockets = []

    async def _launch(self) -> str:
        """Start a worker and make it the one that serves. Gives "", or why that failed."""
        self._generation += 1
        try:
            self._sockets = self._sockets or self._addresses.sockets()
            worker = await WorkerProcess.start(self._command, self._ordered())
        except OSError as error:
            self._failures += 1
            return str(error)
        self.running.add(worker)
        self._late[worker] = []
        if self._stopping:
            worker.signal(signal.SIGTERM)
        reason = await worker.until_ready(self._order.settings.worker_ready_seconds)
        late = self._late.pop(worker)
        if reason:
            self.running.discard(worker)
            self._failures += 1
            self._on_failure(worker, await worker.ended())
            words = worker.last_words()
            return f"{reason}; it said: {words}" if words else reason
        worker.when_ended(lambda: self.running.discard(worker))
        self.worker = worker
        for number in late:
            worker.signal(number)
        self._on_change(self.worker)
        return ""

    def _ordered(self) -> Order:
        control = Path(self._order.control) / f"{self.number}.{self._generation}"
        descriptors = tuple(tuple(one.fileno() for one in group) for group in self._sockets)
        return msgspec.structs.replace(self._order, sockets=descriptors, control=str(control))

    # ---- from the supervisor

    async def roll(self) -> bool:
        """Replace the worker by a new one; at no moment does nobody accept. False: the old one still serves."""
        old = self.worker
        if old is None:
            # It waits for another attempt anyway: let that be now.
            self._hurry.set()
            return True
        async with self._starting:
            if self._stopping or self.worker is not old:
                return not self._stopping
            failures, reason = self._failures, await self._launch()
            self._failures = failures
        if reason:
            if not self._stopping:
                log.error("worker %d was not replaced, the one before still serves: %s", self.number, reason)
            return False
        old.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(longest_drain(self._order.settings)):
                await old.ended()
        except TimeoutError:
            log.error("worker %d, which was replaced, did not end in time, and is killed", self.number)
            old.kill()
            await old.ended()
        return True

    def pass_on(self, number: int) -> None:
        """Send a signal to every worker, to one that starts as soon as it is ready."""
        for worker in self.running:
            if worker in self._late:
                self._late[worker].append(number)
            else:
                worker.signal(number)

    async def stop(self) -> None:
        """Have the workers drain; returns when all have ended."""
        self._stopping = True
        self._hurry.set()
        while self.running:
            for worker in self.running:
                # One that starts cannot drain yet: it has nothing, and a SIGTERM ends it.
                worker.signal(signal.SIGTERM)
            await asyncio.gather(*(worker.ended() for worker in self.running))

    def kill(self) -> None:
        """End all workers at once."""
        self._stopping = True
        for worker in self.running:
            worker.kill()

    def close(self) -> None:
        self._give_up_sockets()
