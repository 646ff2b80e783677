"""One run in one process: its clients, its measured window, its end."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from wsgw.cli.load.client import Client, Connector, Refused
from wsgw.cli.load.pacing import Timetable, keep
from wsgw.cli.load.plan import Messages, Plan
from wsgw.cli.load.tally import Tally

Report = Callable[[Tally, float], None]

_QUIET = 0.1  # how long to listen for duplicates once everything has come
_CLOSING = 2.0


class Run:
    """What the scenarios share. `report` gets the tally and the seconds left (0 while opening), every second."""

    def __init__(self, plan: Plan, tally: Tally, report: Report) -> None:
        self.plan = plan
        self.tally = tally
        self.connector = Connector(plan, tally, Messages(plan.action, plan.size).build)
        self.clients: list[Client] = []
        self.total = plan.warmup + plan.duration
        self._report = report
        self._over = asyncio.Event()
        self._hopeless = False

    async def open(self, *, ordered: bool = True, learn_ids: bool = False) -> None:
        """Open the plan's connections before the window, `in_flight` at a time; those that fail are counted."""
        left = self.plan.connections

        async def opener() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                client = await self.connect(ordered=ordered)
                if client is not None and learn_ids:
                    await self._learn_id(client)

        reporter = asyncio.create_task(self._report_while_opening())
        try:
            await asyncio.gather(*(opener() for _ in range(min(left, self.plan.in_flight))))
        finally:
            reporter.cancel()
        self._hopeless = not self.tally.connected

    async def connect(self, *, ordered: bool = True) -> Client | None:
        """One more client in `clients`; None, and a fault, if it is refused."""
        try:
            client = await self.connector.connect(ordered=ordered)
        except Refused as refusal:
            self.tally.refused += 1
            self.tally.fault(str(refusal))
            return None
        self.clients.append(client)
        return client

    async def _learn_id(self, client: Client) -> None:
        try:
            await client.learn_id(self.plan.id_message, self.plan.grace)
        except Refused as refusal:
            self.tally.refused += 1
            self.tally.fault(str(refusal))
            client.close()

    async def _report_while_opening(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._report(self.tally, 0)

    async def measure(self, drive: Callable[[], Awaitable[None]]) -> None:
        """Run `drive` through warm-up and window; it returns by itself when `total` seconds are over, or earlier.

        Where `open` could connect no client at all, there is nothing to measure.
        """
        if self._hopeless:
            return
        sampler = asyncio.create_task(self._sample())
        try:
            await drive()
        finally:
            if self.plan.scenario == "connect":
                self._over.set()
            await sampler

    async def at_rate(self, rate: float, fire: Callable[[float], None], most: float = math.inf) -> None:
        """Call `fire` on the timetable of `rate` a second until the window ends, or `most` times."""

        def fired(due: float) -> None:
            self.tally.late.add(time.perf_counter() - due)
            fire(due)

        await keep(Timetable(rate, time.perf_counter(), min(self.total, most / rate)), rate, fired)

    async def _sample(self) -> None:
        if self.plan.warmup:
            await asyncio.sleep(self.plan.warmup)
            self.tally.begin()
        start, cpu = time.perf_counter(), time.process_time()
        number = 0
        while number < self.plan.duration and not self._over.is_set():
            number += 1
            end = start + min(number, self.plan.duration)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), max(0, end - time.perf_counter()))
            self.tally.tick()
            self.tally.window = time.perf_counter() - start
            self.tally.cpu = time.process_time() - cpu
            self._report(self.tally, max(0.0, start + self.plan.duration - time.perf_counter()))

    async def settle(self) -> None:
        """Wait for what is still due, at most the plan's grace; the rest is lost."""
        await _until(lambda: not self.tally.waiting, self.plan.grace)
        await asyncio.sleep(_QUIET)
        for client in self.clients:
            client.ledger.abandon()
        self.tally.latency.merge([self.tally.now.latency])

    async def close(self) -> None:
        """Close all connections: with a close frame, then, for those that do not answer, without."""
        self.tally.cpu = self.tally.cpu or time.process_time()
        for client in self.clients:
            client.close()
        await _until(lambda: all(client.transport.is_disconnected for client in self.clients), _CLOSING)
        for client in self.clients:
            client.abort()


async def _until(done: Callable[[], bool], seconds: float) -> None:
    """Wait until `done()`, at most so long. Looked at now and then: telling would cost something on every message."""
    deadline = time.perf_counter() + seconds
    while not done() and time.perf_counter() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
