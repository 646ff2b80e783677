"""Nodes that talk over a bus: each with a name, a bus, and a record of what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

from wsgw.settings import Settings
from wsgw.stores.base import Answer, Question
from wsgw.stores.memory_bus import Exchange, MemoryBus
from wsgw.stores.redis.bus import RedisBus
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link


class Clock:
    """Seconds, as the test sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class BusNode:
    """`asked` is what its bus was asked; `reply` answers it, at once unless a test keeps `answers` for later."""

    def __init__(self, name: str, bus: Any, link: Link | None = None) -> None:
        self.name = name
        self.bus = bus
        self.link = link
        self.asked: list[Question] = []
        self.heard: list[str] = []
        self.answers: list[Callable[[Answer], None]] = []
        self.reply: Callable[[Question], Answer] | None = lambda question: Answer(200, question.data)
        bus.on_question = self._answer
        bus.on_announcement = self.heard.append
        self._ticking: asyncio.Task[None] | None = None

    def _answer(self, question: Question, answer: Callable[[Answer], None]) -> None:
        self.asked.append(question)
        if self.reply is None:
            self.answers.append(answer)
        else:
            answer(self.reply(question))

    async def open(self, tick_seconds: float = 0) -> Self:
        """tick_seconds: have the bus tick by the real clock."""
        if self.link is not None:
            await self.link.open()
        await self.bus.open()
        if tick_seconds:
            self._ticking = asyncio.create_task(self._tick(tick_seconds))
        return self

    async def close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        await self.bus.close()
        if self.link is not None:
            await self.link.close()

    async def _tick(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self.bus.tick()


def memory_node(exchange: Exchange, name: str, now: Callable[[], float]) -> BusNode:
    node: BusNode
    node = BusNode(name, MemoryBus(exchange, lambda: node.name, Settings().bus_seconds, now))
    return node


def redis_node(
    url: str, name: str, now: Callable[[], float] | None = None, link: Link | None = None, **settings: Any
) -> BusNode:
    """With the setting `redis` = `url`. now: the clock of the bus, if not the real one; link: one of another kind."""
    # A busy machine may keep Redis waiting for longer than a busy service would.
    chosen = Settings(redis=url, **{"redis_seconds": 1, **settings})
    link = link or Link(chosen)
    clock = {} if now is None else {"now": now}
    node: BusNode
    node = BusNode(name, RedisBus(link, Keys(chosen.redis_prefix), chosen, lambda: node.name, **clock), link)
    return node


def post(connection_id: str, data: bytes = b"") -> Question:
    return Question("POST", connection_id, "api", data)
