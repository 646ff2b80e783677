"""Results of authorizers that are kept: compiled ones of this node, and behind them those that all nodes share.

One object for each stage of an API. Keys are digests: no token stands in one. Whoever asks for what is being asked for
waits for the same call; where the store of what nodes share is away, the authorizer is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

import orjson

from wsgw.authorizers.access import Access
from wsgw.caller import Principal
from wsgw.errors import AuthorizerConfigurationError, GatewayError, StoreUnavailable
from wsgw.observe.metrics import count
from wsgw.stores.base import Cache

#: Of one stage on one node: how many results are kept compiled, and about how much memory they may take together.
MOST_KEPT, MOST_BYTES = 10_000, 64 * 1024 * 1024
#: What nodes announce to each other when the results of a stage are flushed, before API and stage.
_TOPIC: Final = "authorizer-results/"
#: How long a node may take to hear of it, seconds.
_HEARD: Final = 0.1
#: What an entry takes, compiled: so many times its JSON, and this beside it (measured).
_TIMES: Final = 8
_OVERHEAD: Final = 1_536


class Verdict(NamedTuple):
    """What an authorizer has decided. `principal` None: its answer was no. `until`: not to be used after that."""

    principal: Principal | None
    until: float
    size: int = 0


class Asked(NamedTuple):
    """How the call of an authorizer ended: with `document` (JSON, None for a plain no) or with `error`.

    `latency` in ms, `status` as HTTP has them, `request_id` as whoever was called names it. `size`: of the document as
    it came. All but document and size are 0 or empty where nobody was called.
    """

    document: Any = None
    size: int = 0
    status: int = 0
    request_id: str = ""
    latency: int = 0
    error: GatewayError | None = None


Read = Callable[[Any], Principal | None]
Ask = Callable[[], Coroutine[Any, Any, Asked]]


class _Flight:
    """A call on its way, and how many wait for it."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[tuple[Verdict | None, Asked]]) -> None:
        self.task = task
        self.waiting = 0


class ResultsCache:
    """What the authorizers of one stage have answered. `now` gives epoch seconds."""

    def __init__(self, cache: Cache, group: str, now: Callable[[], float]) -> None:
        self._cache = cache
        self._group = group
        self._now = now
        self._kept: dict[bytes, Verdict] = {}
        self._size = 0
        self._flights: dict[bytes, _Flight] = {}
        #: Counts flushes: what was asked before one is not kept after it.
        self._age = 0

    def kept(self, key: bytes) -> Verdict | None:
        """The verdict that this node has ready."""
        verdict = self._kept.pop(key, None)
        if verdict is None:
            return None
        if verdict.until <= self._now():
            self._size -= verdict.size
            return None
        self._kept[key] = verdict  # again, as the one that was used last
        return verdict

    async def found(self, key: bytes, ttl: float, read: Read, ask: Ask) -> tuple[Verdict | None, Asked]:
        """The verdict that some node has, else what `ask` gives, kept for `ttl` seconds; and how it came.

        Failures are not kept: the verdict is None then, and Asked has the error, that of `read` included. Each who
        waits gets the same one: raise `again` of it.
        """
        flight = self._flights.get(key)
        if flight is None:
            task = asyncio.get_running_loop().create_task(self._fly(key, ttl, read, ask))
            flight = self._flights[key] = _Flight(task)
            task.add_done_callback(partial(self._landed, key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                # All who wanted to know are gone; whoever comes now asks anew.
                self._forget(key, flight)
                flight.task.cancel()

    async def flush(self) -> None:
        """Forget all results of this stage, of all nodes what they share. Raises StoreUnavailable."""
        self.forget()
        await self._cache.flush(self._group)

    def forget(self) -> None:
        """Forget what this node has ready: another one has flushed what is shared."""
        self._age += 1
        self._kept.clear()
        self._size = 0
        self._flights.clear()

    # ---- one call

    async def _fly(self, key: bytes, ttl: float, read: Read, ask: Ask) -> tuple[Verdict | None, Asked]:
        age, name = self._age, key.hex()
        verdict = await self._shared(name, ttl, read)
        if verdict is not None:
            self._keep(key, verdict, age)
            return verdict, Asked()
        asked = await ask()
        if asked.error is not None:
            return None, asked
        try:
            verdict = self._verdict(read(asked.document), ttl, asked.size)
        except GatewayError as error:
            return None, asked._replace(error=error)
        self._keep(key, verdict, age)
        await self._share(name, verdict, asked.document, age)
        return verdict, asked

    def _verdict(self, principal: Principal | None, ttl: float, size: int) -> Verdict:
        until = self._now() + ttl
        if principal is not None and principal.expires is not None:
            until = min(until, principal.expires)
        return Verdict(principal, until, size * _TIMES + _OVERHEAD)

    async def _shared(self, name: str, ttl: float, read: Read) -> Verdict | None:
        try:
            entry = await self._cache.get(self._group, name)
        except StoreUnavailable:
            count("authorizer_cache_unavailable")
            return None
        if entry is None:
            return None
        try:
            until, document = orjson.loads(entry)
            verdict = Verdict(read(document), min(until, self._now() + ttl), len(entry) * _TIMES + _OVERHEAD)
        except (ValueError, TypeError, AuthorizerConfigurationError):
            # Written by another version, or by nobody of ours: as if it were not there.
            count("authorizer_cache_unreadable")
            return None
        return verdict if verdict.until > self._now() else None

    async def _share(self, name: str, verdict: Verdict, document: Any, age: int) -> None:
        seconds = verdict.until - self._now()
        if seconds <= 0 or age != self._age:
            return
        try:
            entry = orjson.dumps([verdict.until, document])
        except orjson.JSONEncodeError:
            # It may be nested more deeply than it can be written: each node asks for its own.
            return
        try:
            await self._cache.put(self._group, name, entry, seconds)
        except StoreUnavailable:
            count("authorizer_cache_unavailable")

    def _keep(self, key: bytes, verdict: Verdict, age: int) -> None:
        if age != self._age:
            return
        before = self._kept.pop(key, None)
        self._size += verdict.size - (0 if before is None else before.size)
        self._kept[key] = verdict
        while len(self._kept) > MOST_KEPT or self._size > MOST_BYTES:
            self._size -= self._kept.pop(next(iter(self._kept))).size

    def _landed(self, key: bytes, flight: _Flight, task: asyncio.Task[Any]) -> None:
        self._forget(key, flight)
        if not task.cancelled():
            task.exception()  # seen: nobody may be left who waits for it

    def _forget(self, key: bytes, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def again(error: GatewayError) -> GatewayError:
    """The same error for one more who waits: an exception that many raise at once grows with each of them."""
    return type(error)(error.message, detail=error.detail)


class Results:
    """The results that are kept, by API and stage: from one deployment to the next, and gone with the last that asks.

    One for each node. `announce` tells all nodes of a topic, None where there are no others.
    """

    def __init__(self, cache: Cache, now: Callable[[], float]) -> None:
        self._cache = cache
        self._now = now
        self._stages: WeakValueDictionary[tuple[str, str], ResultsCache] = WeakValueDictionary()
        self.announce: Callable[[str], None] | None = None

    def of(self, api_id: str, stage: str) -> ResultsCache:
        """Those of a stage that keeps some: from now on it is one."""
        found = self._stages.get((api_id, stage))
        if found is None:
            found = self._stages[api_id, stage] = ResultsCache(self._cache, f"authorizer/{api_id}/{stage}", self._now)
        return found

    async def flush(self, api_id: str, stage: str) -> bool:
        """FlushStageAuthorizersCache, on all nodes. False where the stage keeps none. Raises StoreUnavailable."""
        found = self._stages.get((api_id, stage))
        if found is None:
            return False
        if self.announce is not None:
            # Before, too: what another node was told before this flush must not be shared after it.
            self.announce(f"{_TOPIC}{api_id}/{stage}")
            await asyncio.sleep(_HEARD)
        await found.flush()
        if self.announce is not None:
            self.announce(f"{_TOPIC}{api_id}/{stage}")
        return True

    def announced(self, topic: str) -> None:
        """A node has said that `topic` changed; "": something may have been missed."""
        for (api_id, stage), kept in self._stages.items():
            if topic in ("", f"{_TOPIC}{api_id}/{stage}"):
                kept.forget()


def results_of(access: Access) -> Results:
    """The results that this node keeps."""
    return access.kept("authorizer results", lambda: Results(access.cache, access.now))
