"""What a throttle's decision costs: `python loadtest/micro/throttles.py`. Needs redis-server; nothing else should run.

In memory, in Redis exact, and in slices; one bucket and four at once, refused and let through; many callers at a time,
as a gateway has them, and one alone, which is how long a request waits. Prints the best of several rounds in
microseconds per decision, and for Redis how many commands that took.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.harness.redis_server import RedisServer
from wsgw.definitions.access import ThrottleSettings
from wsgw.pipeline.throttle import network_of
from wsgw.settings import Settings
from wsgw.stores.base import Throttle
from wsgw.stores.bucket import Bucket
from wsgw.stores.memory import MemoryThrottle
from wsgw.stores.redis.cache import RedisCache
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.sliced import SlicedThrottle
from wsgw.stores.redis.throttle import RedisThrottle

ROUNDS, DECISIONS = 5, 8_000
WIDE = ThrottleSettings(rate_limit=1_000_000, burst_limit=1_000_000)
EMPTY = ThrottleSettings(rate_limit=0.001, burst_limit=1)
FOUR = [(f"route/api/prod/GET /{number}", WIDE) for number in range(4)]


async def report(name: str, decide: Callable[[], Awaitable[object]], at_once: int, link: Link | None = None) -> None:
    """Print what `decide` costs, asked by so many at once."""
    decisions = DECISIONS if link is None or at_once > 1 else DECISIONS // 8

    async def caller() -> None:
        for _ in range(decisions // at_once):
            await decide()

    before = 0 if link is None else link.commands
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(at_once)))
        best = min(best, (time.perf_counter() - began) / decisions * 1e6)
    commands = "" if link is None else f"   {(link.commands - before) / (ROUNDS * decisions):.3f} commands each"
    print(f"{name:<52}{at_once:>6} at once{best:10.2f} µs{commands}", flush=True)


def calls(name: str, call: Callable[[], object]) -> None:
    """Print what `call` costs."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(DECISIONS):
            call()
        best = min(best, (time.perf_counter() - began) / DECISIONS * 1e6)
    print(f"{name:<52}{'':>14}{best:10.2f} µs")


async def shared(name: str, throttle: Throttle, link: Link) -> None:
    for at_once in (1, 64, 1000):
        await report(f"{name}, one bucket", lambda: throttle.take("route/api/prod/GET /", WIDE), at_once, link)
    for at_once in (1, 64):
        await report(f"{name}, four buckets, one after the other", lambda: _one_by_one(throttle), at_once, link)
        await report(f"{name}, four buckets at once", lambda: throttle.take_each(FOUR), at_once, link)
    while await throttle.take("empty", EMPTY):
        pass
    await report(f"{name}, refused: known to be empty", lambda: throttle.take("empty", EMPTY), 64, link)


async def _one_by_one(throttle: Throttle) -> None:
    for key, limit in FOUR:
        await throttle.take(key, limit)


async def main() -> None:
    bucket = Bucket(WIDE, 0.0)
    calls("a connection's own bucket", lambda: bucket.take(WIDE, time.monotonic()))
    calls("the source of an IPv6 address, seen before", lambda: network_of("2001:db8::1"))
    memory = MemoryThrottle()
    await report("memory, one bucket", lambda: memory.take("route/api/prod/GET /", WIDE), 64)
    await report("memory, four buckets at once", lambda: memory.take_each(FOUR), 64)
    numbers = iter(range(10**9))
    await report("memory, a new source each time", lambda: memory.take(f"source/{next(numbers)}", EMPTY), 64)
    flooded = MemoryThrottle(most=1000)
    await report("memory, the same when it is full", lambda: flooded.take(f"source/{next(numbers)}", EMPTY), 64)
    async with RedisServer() as server:
        link = Link(Settings(redis=server.url))
        await link.open()
        keys = Keys("bench")
        await shared("Redis, exact", RedisThrottle(link, keys), link)
        sliced = SlicedThrottle(link, keys, 0.1)
        await shared("Redis, in slices", sliced, link)
        sliced.close()
        cache = RedisCache(link, keys)
        await cache.put("api/prod", "a caller", b"x" * 500, 3600)
        for at_once in (1, 64):
            await report("Redis, cache: get", lambda: cache.get("api/prod", "a caller"), at_once, link)
            put = lambda: cache.put("api/prod", "a caller", b"x" * 500, 3600)  # noqa: E731
            await report("Redis, cache: put", put, at_once, link)
        await link.close()


if __name__ == "__main__":
    uvloop.run(main())
