"""Nodes of one cluster within a test: registries on one Redis, with a clock that the test sets and ticks by hand."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.harness.until import until
from wsgw import ids
from wsgw.settings import Settings
from wsgw.stores.base import Book
from wsgw.stores.records import ConnectionRecord, Departure
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.registry import RedisConnections

LEASE = 10.0
KEYS = Keys("test")


class Time:
    """Seconds, for all nodes of a test."""

    def __init__(self) -> None:
        self.now = 1000.0


class Member:
    """A node: what it holds, which books came to it, how often it was fenced."""

    def __init__(self, url: str, time: Time, redis_seconds: float = 1) -> None:
        settings = Settings(redis=url, lease_seconds=LEASE, redis_seconds=redis_seconds)
        self.link = Link(settings)
        self.registry = RedisConnections(self.link, KEYS, settings, lambda: time.now, heartbeat=False)
        self.registry.held = lambda: list(self.held.values())
        self.registry.on_orphaned = lambda book: self.orphans.append(book)
        self.registry.on_fenced = self._fenced
        self.held: dict[str, ConnectionRecord] = {}
        self.orphans: list[Book] = []
        self.fenced = 0

    def _fenced(self) -> None:
        self.fenced += 1
        self.held.clear()

    @property
    def name(self) -> str:
        return self.registry.own.node

    def connection(self) -> ConnectionRecord:
        id = ids.connection_id(self.name, ids.api_tag("chat"))
        return ConnectionRecord(id, "chat", "prod", 1, "::1", "test", "gw.example", "http://gw.example")

    async def open(self, count: int = 1) -> list[ConnectionRecord]:
        """Enter `count` connections, and hold them."""
        some = [self.connection() for _ in range(count)]
        self.held |= {one.id: one for one in some}
        for answer in [self.registry.own.enter(one) for one in some]:
            await answer
        return some

    def end(self, record: ConnectionRecord) -> None:
        """Its `$disconnect` was delivered."""
        self.held.pop(record.id, None)
        self.registry.own.leave(record.id)


Join = Callable[[], Awaitable[Member]]


@contextlib.asynccontextmanager
async def members(url: str, time: Time, redis_seconds: float = 1) -> AsyncIterator[Join]:
    """Gives a function that makes one more node; all are closed in the end."""
    made: list[Member] = []

    async def join() -> Member:
        one = Member(url, time, redis_seconds)
        made.append(one)
        await one.link.open()
        await one.registry.join()
        return one

    try:
        yield join
    finally:
        for one in made:
            await one.registry.close()
            await one.link.close()


async def pass_time(time: Time, seconds: float, *living: Member) -> None:
    """Let `seconds` pass, in which only the `living` tick, once a second."""
    for _ in range(int(seconds)):
        time.now += 1
        for one in living:
            await one.registry.tick()


async def work_through(book: Book) -> list[Departure]:
    """Do what is owed in a book, and close it."""
    departures = [one async for one in book.departures()]
    for one in departures:
        book.leave(one.connection.id)
    await book.close()
    return departures


async def all_ids(member: Member) -> set[str]:
    """What the registry says is open."""
    found: set[str] = set()
    cursor = ""
    while True:
        page = await member.registry.page(cursor, 500)
        found |= {one.id for one in page.records}
        cursor = page.next
        if not cursor:
            return found


async def rewritten(member: Member, times: int) -> None:
    """Return once the member has written its book anew `times` times in all."""
    await until(lambda: member.registry.counts.resyncs >= times)
