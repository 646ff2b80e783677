"""A bus between nodes of one process: for tests, and to read what a bus is without Redis in between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Answer, Question

log = logging.getLogger("wsgw.bus")


class Exchange:
    """What MemoryBuses meet in: those that are open, by node name."""

    def __init__(self) -> None:
        self.buses: dict[str, MemoryBus] = {}


class MemoryBus:
    """A `Bus` of the node that `node()` names. A node without an open bus does not exist: 410."""

    def __init__(
        self, exchange: Exchange, node: Callable[[], str], seconds: float = 2, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.on_question: Callable[[Question, Callable[[Answer], None]], None] = lambda question, answer: None
        self.on_announcement: Callable[[str], None] = lambda topic: None
        self._exchange = exchange
        self._node = node
        self._seconds = seconds
        self._now = now
        self._pending: dict[asyncio.Future[Answer], float] = {}  # in the order in which they end
        self._open_as: str | None = None

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open_as = self._node()
        self._exchange.buses[self._open_as] = self

    async def close(self) -> None:
        if self._open_as is not None:
            del self._exchange.buses[self._open_as]
            self._open_as = None
        self._fail(list(self._pending))

    async def move(self) -> None:
        await self.close()
        await self.open()

    def tick(self) -> None:
        now = self._now()
        self._fail([answer for answer, until in self._pending.items() if until <= now])

    def ask(self, node: str, question: Question) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._pending[answer] = self._now() + self._seconds
        answer.add_done_callback(lambda done: self._pending.pop(done, None))
        self._loop.call_soon(self._carry, node, question, answer)
        return answer

    def announce(self, topic: str) -> None:
        for bus in self._exchange.buses.values():
            self._loop.call_soon(bus.on_announcement, topic)

    def _carry(self, node: str, question: Question, answer: asyncio.Future[Answer]) -> None:
        owner = self._exchange.buses.get(node)
        if owner is None:
            _settle(answer, Answer(410))
            return
        try:
            owner.on_question(question, partial(_settle, answer))
        except Exception:
            log.exception("a question over the bus failed")

    def _fail(self, answers: list[asyncio.Future[Answer]]) -> None:
        for answer in answers:
            if not answer.done():
                answer.set_exception(StoreUnavailable("no answer in time"))
                answer.exception()


def _settle(answer: asyncio.Future[Answer], given: Answer) -> None:
    if not answer.done():
        answer.set_result(given)
