"""The stores that the settings choose: in Redis, in a directory, or in the memory of this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsgw.settings import Settings
from wsgw.stores.base import Bus, Cache, Connections, Documents, Quota, Throttle

#: By a metric's name: what it counts, and how many.
Counts = dict[str, tuple[str, int]]


def _nothing() -> str:
    return ""


@dataclass(slots=True)
class Stores:
    """What a node keeps, and where. `documents` is None where nothing can be stored.

    away: why what nodes share cannot be reached now, "" if it can. counts: what happened to the stores so far.
    nodes: how many nodes there are, this one included, when it last looked.
    """

    registry: Connections
    buckets: Throttle
    quota: Quota
    cache: Cache
    documents: Documents | None = None
    bus: Bus | None = None
    away: Callable[[], str] = _nothing
    counts: Callable[[], Counts] = dict
    nodes: Callable[[], int] = lambda: 1
    opening: list[Callable[[], Awaitable[Any]]] = field(default_factory=list)
    closing: list[Callable[[], Awaitable[Any]]] = field(default_factory=list)

    async def open(self) -> None:
        """Connect, or open files. Raises StoreUnavailable with what is wrong and the remedy."""
        for step in self.opening:
            await step()

    async def close(self) -> None:
        """Let go of connections and files; after the registry and the bus were closed."""
        for step in reversed(self.closing):
            await step()


def stores_for(settings: Settings, node: Callable[[], str], now: Callable[[], float]) -> Stores:
    """The stores of a node whose name `node` gives and whose clock is `now`; not open yet."""
    if settings.redis:
        return _in_redis(settings, node, now)
    if settings.data:
        return _in_directory(Path(settings.data), now)
    return _in_memory(now)


def unusable(settings: Settings) -> Iterator[str]:
    """A line for each setting that no store can be made of, whatever runs out there."""
    if not settings.redis:
        return
    from wsgw.stores.redis.address import parse

    if settings.data:
        yield "data: with redis all is kept in Redis, and nothing in a directory: give one of the two"
    try:
        target = parse(settings.redis)
    except ValueError as error:
        yield f"redis: {error}"
        return
    if settings.redis_ca:
        if not target.tls:
            yield "redis_ca: there is no certificate to check without TLS: write rediss://… in the setting redis"
        try:
            Path(settings.redis_ca).open("rb").close()
        except OSError as error:
            yield f"redis_ca: {settings.redis_ca} cannot be read: {error.strerror}"


def _in_memory(now: Callable[[], float]) -> Stores:
    from wsgw.stores.memory import MemoryThrottle
    from wsgw.stores.memory_cache import MemoryCache
    from wsgw.stores.memory_connections import MemoryConnections
    from wsgw.stores.memory_quota import MemoryQuota

    return Stores(MemoryConnections(), MemoryThrottle(now), MemoryQuota(), MemoryCache(now))


def _in_directory(directory: Path, now: Callable[[], float]) -> Stores:
    from wsgw.stores.memory import MemoryThrottle
    from wsgw.stores.memory_cache import MemoryCache
    from wsgw.stores.sqlite.connections import SqliteConnections
    from wsgw.stores.sqlite.database import Database
    from wsgw.stores.sqlite.documents import SqliteDocuments
    from wsgw.stores.sqlite.quota import SqliteQuota

    database = Database(directory)
    registry = SqliteConnections(database)
    quota = SqliteQuota(database)
    return Stores(
        registry,
        MemoryThrottle(now),
        quota,
        # Of one process, and worth nothing after it: a file would make each look-up slower, and save one call each.
        MemoryCache(now),
        documents=SqliteDocuments(database),
        counts=lambda: {
            "resyncs": ("Times that the own book was written anew", registry.resyncs),
            "registry_garbage": ("Entries of the registry that could not be read", registry.garbage),
        },
        opening=[database.open, quota.open],
        closing=[database.close, quota.close],
    )


def _in_redis(settings: Settings, node: Callable[[], str], now: Callable[[], float]) -> Stores:
    from wsgw.stores.redis.bus import RedisBus
    from wsgw.stores.redis.cache import RedisCache
    from wsgw.stores.redis.documents import RedisDocuments
    from wsgw.stores.redis.keys import Keys
    from wsgw.stores.redis.link import Link
    from wsgw.stores.redis.quota import RedisQuota
    from wsgw.stores.redis.registry import RedisConnections
    from wsgw.stores.redis.sliced import SlicedThrottle
    from wsgw.stores.redis.throttle import RedisThrottle

    keys = Keys(settings.redis_prefix)
    # Two connections: writing a large book anew must not hold up a push or a throttle.
    requests, records = Link(settings), Link(settings)
    registry = RedisConnections(records, keys, settings)
    bus = RedisBus(requests, keys, settings, node)
    registry.on_emptied = bus.doubt
    buckets: Throttle = RedisThrottle(requests, keys)
    closing: list[Callable[[], Awaitable[Any]]] = [requests.close, records.close]
    if settings.throttle_mode == "sliced":
        sliced = buckets = SlicedThrottle(requests, keys, settings.throttle_slice_seconds)

        async def give_back() -> None:
            sliced.close()

        closing.append(give_back)

    def away() -> str:
        down = next((f"Redis is away: {link.reason}" for link in (requests, records) if link.away), "")
        return down or ("" if bus.hears else "the bus is not heard: its subscription is being made anew")

    def both(name: str) -> int:
        return requests.counts()[name] + records.counts()[name]

    def counts() -> Counts:
        return {
            "takeovers": ("Books of dead nodes that this one took over", registry.counts.takeovers),
            "fenced": ("Times that others held this node for dead", registry.counts.fenced),
            "resyncs": ("Times that the own book was written anew", registry.counts.resyncs),
            "registry_garbage": ("Entries of the registry that could not be read", registry.counts.garbage),
            "registry_late": ("Connections opened while the registry was away", registry.counts.entered_late),
            "redis_losses": ("Times that Redis did not answer in time", both("redis_losses")),
            "redis_connects": ("Connections to Redis that were attempted", both("redis_connects")),
            "redis_late": ("Commands given up before they were sent", both("redis_late")),
            "redis_refused": ("Error replies of Redis", both("redis_refused")),
            "bus_questions": ("Questions asked of other nodes", bus.asked),
            "bus_answered": ("Questions that other nodes answered", bus.answered),
            "bus_executed": ("Questions of other nodes that were carried out", bus.executed),
            "bus_expired": ("Questions that nobody answered in time", bus.expired),
            "bus_unreachable": ("Questions to nodes that did not listen", bus.unreachable),
            "bus_stale": ("Questions of other nodes that came too late or twice", bus.stale),
            "bus_late": ("Answers that nobody waited for any more", bus.late),
            "bus_failed": ("Questions of other nodes, and announcements, that failed here", bus.failed),
            "bus_gaps": ("Times that messages of the bus may have been missed", bus.gaps),
            "bus_garbage": ("Messages of the bus that could not be read", bus.garbage),
            "bus_forged": ("Messages of the bus with a wrong signature", bus.forged),
        }

    return Stores(
        registry,
        buckets,
        RedisQuota(requests, keys),
        RedisCache(requests, keys),
        documents=RedisDocuments(records, keys),
        bus=bus,
        away=away,
        counts=counts,
        nodes=lambda: registry.nodes,
        opening=[requests.open, records.open],
        closing=closing,
    )
