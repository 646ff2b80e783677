"""Commands to Redis. Those of one turn of the event loop go out together, in their order, and never hold it up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hiredis import pack_command
from redis.exceptions import RedisError

from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.redis.address import CLUSTER, SENTINEL
from wsgw.stores.redis.backoff import Backoff
from wsgw.stores.redis.command import Command, Script
from wsgw.stores.redis.connect import Connector, ask
from wsgw.stores.redis.exchange import Exchange
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.subscription import Subscription
from wsgw.stores.redis.waiting import Waiting
from wsgw.stores.redis.wording import in_words
from wsgw.waiting import within

__all__ = ["Link", "Script", "Subscription"]

log = logging.getLogger("wsgw.redis")

#: How often Sentinel is asked whether the master is still the same.
WATCH_SECONDS = 1.0

#: Commands about no key: any node of a cluster may answer.
KEYLESS = frozenset(("PING", "TIME", "INFO", "SCRIPT", "CONFIG", "CLIENT", "DBSIZE", "HELLO", "FLUSHALL", "ROLE"))

_CHECK = Script("return 1")


class Link:
    """Commands to a Redis of any kind (single, Sentinel, cluster).

    Commands of one turn of the loop go out as one pipeline, one batch in flight at a time, so commands take effect in
    order. A command is answered, or fails with StoreUnavailable, within twice `redis_seconds` in which this process
    runs: it waits at most for the batches before it, then for its own. One that failed may have taken effect all the
    same.

    The first batch that is not answered in time makes all that waits fail, and `away` true: from then on commands fail
    at once, until one probe, with growing pauses, has found Redis again. On a cluster, one master away is Redis away.

    refused: replies of Redis that were errors, by their first word. Whether to go on is for the caller of each.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic) -> None:
        self.away = True
        self.reason = "not opened yet"
        self.on_away: list[Callable[[str], None]] = []
        self.on_back: list[Callable[[], None]] = []
        self.refused: Counter[str] = Counter()
        self.losses = self.batches = self.commands = 0
        self._seconds = settings.redis_seconds
        self._now = now
        self._connector = Connector(settings)
        self._cluster = self._connector.target.kind == CLUSTER
        self._where = ", ".join(map(str, self._connector.target.addresses))
        self._check_key = Keys(settings.redis_prefix).announcements
        self._exchange: Exchange | None = None
        self._waiting = Waiting(settings.redis_seconds)
        self._spent = 0.0
        self._began: float | None = None
        self._worker: asyncio.Task[None] | None = None
        self._probe: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._backoff = Backoff(now)
        self._subscriptions: set[Subscription] = set()
        self._closed = False

    @property
    def connects(self) -> int:
        """How many connections were attempted so far."""
        return self._connector.made

    @property
    def sharded(self) -> bool:
        """Keys may lie on several servers, and one script can touch those of one slot only."""
        return self._cluster

    def counts(self) -> dict[str, int]:
        """What happened so far, by metric name."""
        return {
            "redis_losses": self.losses,
            "redis_connects": self.connects,
            "redis_refused": self.refused.total(),
            "redis_late": self._waiting.late,
        }

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable, which says what is wrong and what to do."""
        try:
            await self._connect()
            # What the rest will need, said now and plainly rather than later and often.
            await self.run(_CHECK, [self._check_key], [])
            await self.send("PUBLISH", self._check_key, b"")
        except (RedisError, OSError, StoreUnavailable) as error:
            text = in_words(error, self._where)
            await self.close()
            raise StoreUnavailable(text) from error
        if self._connector.target.kind == SENTINEL:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Send what still waits, as far as Redis answers in time, and disconnect."""
        self._closed = True
        for subscription in list(self._subscriptions):
            await subscription.close()
        await _ended(self._watcher, 0)
        await _ended(self._probe, 0)
        await _ended(self._worker, 2 * self._seconds)
        self.away, self.reason = True, "closed"
        self._fail(self._waiting.taken(), self.reason)
        if self._exchange is not None:
            await self._exchange.close()

    def send(self, *command: str | bytes | int | float) -> asyncio.Future[Any]:
        """Send one command; its reply as Redis gives it, bytes not decoded. Raises StoreUnavailable."""
        name = command[0]
        key = None if len(command) < 2 or name in KEYLESS else command[1]
        packed: bytes = pack_command(command)  # type: ignore[arg-type]  # its stub has memoryview in it, invariant
        return self._put(packed, str(key) if isinstance(key, int | float) else key, None)

    def run(
        self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int | float]
    ) -> asyncio.Future[Any]:
        """Run a script; its keys must lie in one slot. Raises StoreUnavailable."""
        packed: bytes = pack_command(("EVALSHA", script.digest, len(keys), *keys, *args))  # type: ignore[arg-type]
        return self._put(packed, keys[0] if keys else None, script)

    def publish(self, channel: str, data: bytes) -> asyncio.Future[int]:
        """How many subscribers got `data`: SPUBLISH on a cluster (to `sharded` ones), PUBLISH elsewhere."""
        return self.send("SPUBLISH" if self._cluster else "PUBLISH", channel, data)

    def subscribe(
        self,
        channel: str,
        on_message: Callable[[bytes], None],
        on_subscribed: Callable[[bool], None],
        *,
        sharded: bool = True,
    ) -> Subscription:
        """Listen to `channel` from now on, until `close()` of what this gives. sharded: matters on a cluster only."""
        subscription = Subscription(
            self._connector, channel, on_message, on_subscribed, sharded and self._cluster, Backoff(self._now)
        )
        self._subscriptions.add(subscription)
        subscription.on_closed = lambda: self._subscriptions.discard(subscription)
        return subscription

    # ---- one batch after another

    def _put(self, packed: bytes, key: str | bytes | None, script: Script | None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        command = Command(packed, future, key, self._time_spent(), script)
        if self.away:
            command.fail(StoreUnavailable(self.reason))
        else:
            self._waiting.put(command)
            if self._worker is None:
                # It begins with the next turn of the loop, when this one's commands are all here.
                self._worker = asyncio.get_running_loop().create_task(self._work())
        return future

    async def _work(self) -> None:
        batch: list[Command] = []
        try:
            while self._waiting and not self.away:
                batch = self._waiting.batch(self._spent)
                if batch and self._exchange is not None:
                    self.batches += 1
                    self.commands += len(batch)
                    self._began = self._now()
                    async with within(self._seconds):
                        await self._exchange.run(batch)
                    self._spent, self._began = self._time_spent(), None
        except (RedisError, OSError, StoreUnavailable) as error:
            self._lose(in_words(error, self._where), batch)
        except Exception as error:
            log.exception("a batch of commands failed")
            self._lose(str(error), batch)
        except asyncio.CancelledError:
            self._fail(batch, "closed")
            raise
        finally:
            self._worker = self._began = None

    def _time_spent(self) -> float:
        """Seconds in which batches were under way. A loop held up before it sent anything is not Redis's doing."""
        return self._spent if self._began is None else self._spent + self._now() - self._began

    # ---- away and back

    def _lose(self, reason: str, batch: Iterable[Command]) -> None:
        if self.away:
            self._fail(batch, reason)  # it was under way when Sentinel named another master
            return
        self.away, self.reason = True, reason
        self.losses += 1
        log.warning("Redis is away: %s", reason)
        self._fail(batch, reason)
        self._fail(self._waiting.taken(), reason)
        if self._closed:
            return
        self._probe = asyncio.get_running_loop().create_task(self._come_back())
        for told in list(self.on_away):
            _call(told, reason)

    async def _come_back(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        if self._exchange is not None:
            await self._exchange.close()
        while self.away:
            await asyncio.sleep(self._backoff.pause())
            try:
                await self._connect()
            except (RedisError, OSError, StoreUnavailable) as error:
                self.reason = in_words(error, self._where)
        log.warning("Redis is back after %.1f s", loop.time() - since)
        for told in list(self.on_back):
            _call(told)

    async def _watch(self) -> None:
        """Leave a master that Sentinel has replaced: it takes writes for up to ten seconds more, and loses them."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            exchange = self._exchange
            if self.away or exchange is None:
                continue
            try:
                named = await self._connector.successor(exchange.serves)
            except (RedisError, OSError, StoreUnavailable):
                continue  # Sentinel is not needed as long as Redis answers
            if named is not None and not self.away and self._exchange is exchange:
                self._lose(f"Sentinel names another master, {named}", [])
                for subscription in list(self._subscriptions):
                    subscription.drop()

    async def _connect(self) -> None:
        servers = await self._connector.servers()
        try:
            async with within(self._seconds):
                for connection in servers.connections.values():
                    await ask(connection, "PING")
        except BaseException:
            await servers.close()
            raise
        self._exchange = Exchange(self._connector, servers, self.refused)
        self._backoff.works()
        self.away, self.reason = False, ""

    def _fail(self, commands: Iterable[Command], reason: str) -> None:
        for command in commands:
            command.fail(StoreUnavailable(reason))


def _call(told: Callable[..., None], *values: Any) -> None:
    try:
        told(*values)
    except Exception:
        log.exception("who was told of Redis failed")


async def _ended(task: asyncio.Task[None] | None, seconds: float) -> None:
    """Wait `seconds` for a task's end, then end it."""
    if task is None:
        return
    await asyncio.wait([task], timeout=seconds)
    task.cancel()
    await asyncio.wait([task])
