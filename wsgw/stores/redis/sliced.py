"""Token buckets that all nodes share, for hot ones: a node takes tokens in advance, and mostly need not ask Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from wsgw.definitions.access import ThrottleSettings
from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.refusals import Refusals
from wsgw.stores.redis.throttle import BUCKET, one_by_one


class SlicedThrottle:
    """Each node leases slices of a bucket: `slice_seconds` of its rate, at least one token, at most half the burst.

    A slice is filled up in the background when half of it is used, and what is left of it is given back after two
    times `slice_seconds` in which the node leased nothing. So in any stretch of time the cluster lets through at most
    the burst, plus the rate times that time, plus what nodes held when it began: one slice for each node.
    """

    def __init__(
        self,
        link: Link,
        keys: Keys,
        slice_seconds: float,
        now: Callable[[], float] = time.monotonic,
        most: int = 10_000,
    ) -> None:
        self._link = link
        self._keys = keys
        self._seconds = slice_seconds
        self._now = now
        self._most = most
        self._slices: dict[str, _Slice] = {}
        self._refusals = Refusals()
        self._sweep: asyncio.TimerHandle | None = None

    async def take(self, key: str, limit: ThrottleSettings) -> bool:
        if limit.burst_limit < 1:
            return False
        now = self._now()
        held = self._slices.get(key)
        if held is not None and not held.asked and (now >= held.until or held.limit != limit):
            self._give_back(key, held)
            held = None
        if held is None or held.limit != limit:
            if self._refusals.hold(key, limit, now):
                return False
            if held is not None or len(self._slices) >= self._most:
                # Its settings change right now, or there are too many: this token is taken as it is needed.
                taken, wait = await self._ask(key, limit, 1)
                self._refusals.add(key, limit, now, wait)
                return bool(taken)
            held = self._slices[key] = _Slice(limit, self._seconds)
        if held.tokens:
            held.tokens -= 1
            if held.tokens * 2 <= held.size and not held.asked and not self._refusals.hold(key, limit, now):
                self._fill(key, held)
            return True
        if not held.asked:
            if self._refusals.hold(key, limit, now):
                return False
            self._fill(key, held)
        waiter = asyncio.get_running_loop().create_future()
        held.waiters.append(waiter)
        return bool(await waiter)

    async def take_each(self, wanted: Sequence[tuple[str, ThrottleSettings]]) -> int:
        return await one_by_one(self, wanted)

    def close(self) -> None:
        """Give back what is held; nothing is taken after that."""
        if self._sweep is not None:
            self._sweep.cancel()
        for key, held in list(self._slices.items()):
            self._give_back(key, held)

    def _fill(self, key: str, held: _Slice) -> None:
        """Ask for what is missing to a whole slice."""
        asked_at = self._now()
        held.asked = True
        asked = self._ask(key, held.limit, held.size - held.tokens)
        asked.add_done_callback(lambda reply: self._filled(key, held, asked_at, reply))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._seconds, self._give_back_unused)

    def _filled(self, key: str, held: _Slice, asked_at: float, reply: asyncio.Future[Any]) -> None:
        held.asked = False
        error = reply.exception()
        if error is not None:
            held.fail(StoreUnavailable(str(error)))
            return
        taken, wait = reply.result()
        held.tokens += taken
        held.until = asked_at + 2 * self._seconds
        self._refusals.add(key, held.limit, asked_at, wait)
        held.serve()
        if held.waiters and taken and wait == 0:
            self._fill(key, held)
        else:
            held.refuse()

    def _give_back(self, key: str, held: _Slice) -> None:
        del self._slices[key]
        if held.tokens:
            self._ask(key, held.limit, -held.tokens)

    def _ask(self, key: str, limit: ThrottleSettings, tokens: int) -> asyncio.Future[Any]:
        arguments = (repr(float(limit.rate_limit)), limit.burst_limit, tokens)
        return self._link.run(BUCKET, (self._keys.throttle(key),), arguments)

    def _give_back_unused(self) -> None:
        now = self._now()
        for key, held in list(self._slices.items()):
            if now >= held.until and not held.asked:
                self._give_back(key, held)
        again = asyncio.get_running_loop().call_later
        self._sweep = again(self._seconds, self._give_back_unused) if self._slices else None


class _Slice:
    """What a node holds of one bucket. `asked`: Redis is being asked for more, and answers `waiters`."""

    __slots__ = ("asked", "limit", "size", "tokens", "until", "waiters")

    def __init__(self, limit: ThrottleSettings, seconds: float) -> None:
        self.limit = limit
        self.size = max(1, min(int(limit.rate_limit * seconds), limit.burst_limit // 2))
        self.tokens = 0
        self.until = 0.0
        self.asked = False
        self.waiters: list[asyncio.Future[bool]] = []

    def serve(self) -> None:
        """Give the tokens to those who wait, the first ones first."""
        waiting = [waiter for waiter in self.waiters if not waiter.done()]
        for waiter in waiting[: self.tokens]:
            waiter.set_result(True)
        self.waiters = waiting[self.tokens :]
        self.tokens -= len(waiting) - len(self.waiters)

    def refuse(self) -> None:
        self._all(lambda waiter: waiter.set_result(False))

    def fail(self, error: Exception) -> None:
        self._all(lambda waiter: waiter.set_exception(error))

    def _all(self, tell: Callable[[asyncio.Future[bool]], None]) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                tell(waiter)
                waiter.exception()  # it may be cancelled in this very turn, and never look
