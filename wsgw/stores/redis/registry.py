"""The registry in Redis: this node's lease, its own book, and the books of nodes that have died.

A node that renews its lease lives. Whoever sees a beat stand still for `lease_seconds`, with Redis in reach all the
time, takes the book over in one script, which compares the lease with what was seen: of a renewal and a take-over at
the same moment, exactly one happens. From then on the other can neither renew nor write, whatever it believes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable

from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.base import Book, Page
from wsgw.stores.records import ConnectionRecord
from wsgw.stores.redis.counts import Counts
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.listing import Listing
from wsgw.stores.redis.membership import EXPIRY_MS, claim, leave
from wsgw.stores.redis.orphaned_book import OrphanedBook
from wsgw.stores.redis.own_book import OwnBook
from wsgw.stores.redis.registry_scripts import BEAT, FENCED, LEFT, NEW, RENEW, TAKE
from wsgw.stores.redis.watch import Watch

log = logging.getLogger("wsgw.cluster")

#: How long a node that was held for dead cannot come back. A process frozen for longer has no client left: their
#: `$disconnect`s would come twice, which is what their event ids are for.
_FALLEN_MS = 24 * 3600 * 1000
#: After Redis was away, others may find it later than we do: links pause up to two seconds between attempts.
_GRACE = 2.5


class RedisConnections:
    """A node's part in the registry; satisfies `stores.base.Connections`.

    now: seconds, never going back; whether others live is judged on it alone.
    heartbeat: tick by itself after `join`; tests tick themselves.
    `counts` has the numbers for the metrics.
    """

    own: OwnBook

    def __init__(
        self,
        link: Link,
        keys: Keys,
        settings: Settings,
        now: Callable[[], float] = time.monotonic,
        *,
        heartbeat: bool = True,
    ) -> None:
        self.on_orphaned: Callable[[Book], None] = lambda book: None
        self.on_fenced: Callable[[], None] = lambda: None
        #: Redis has lost what it held: for whoever concludes anything from what it does not have.
        self.on_emptied: Callable[[], None] = lambda: None
        self.held: Callable[[], Iterable[ConnectionRecord]] = lambda: ()
        self.counts = Counts()
        #: Nodes that were in the cluster at the last beat, this one included.
        self.nodes = 1
        self._link = link
        self._keys = keys
        self._now = now
        self._lease_seconds = settings.lease_seconds
        self._interval = min(settings.lease_seconds / 5, 1.0)
        self._watch = Watch(settings.lease_seconds, LEFT)
        self._listing = Listing(link, keys, self.counts)
        self._orphans: dict[str, OrphanedBook] = {}
        self._token = ""
        self._beats = 0
        self._renewed = self._ticked = 0.0
        self._away_since_renewal = False
        self._outdated = False
        self._with_heartbeat = heartbeat
        self._heart: asyncio.Task[None] | None = None
        self._resync: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    # ---- joining and leaving

    async def join(self) -> str:
        await self._begin()
        if self._with_heartbeat:
            self._heart = asyncio.get_running_loop().create_task(self._keep_ticking())
        return self.own.node

    async def rejoin(self) -> str:
        await self._begin()
        return self.own.node

    async def _begin(self) -> None:
        token = secrets.token_hex(8)
        node = await claim(self._link, self._keys, token)
        if not self._token:
            self._link.on_away.append(self._away)
            self._link.on_back.append(self._back)
        self._token, self._beats = token, 0
        self._renewed = self._ticked = self._now()
        self._outdated = self._away_since_renewal = False
        self._watch.restart(self._now())
        self.own = OwnBook(self._link, self._keys, node, token, self.counts, self._now)
        self.own.on_stalled = self._look_soon
        log.info("joined as node %s", node)

    async def close(self) -> None:
        for task in (self._heart, self._resync):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if not self._token:
            return  # It never joined, or has left.
        self._link.on_away.remove(self._away)
        self._link.on_back.remove(self._back)
        for book in list(self._orphans.values()):
            await book.close()
        if not self.own.lost:
            await self.own.close()
            await leave(self._link, self._keys, self.own.node, self._token)
        self._token = ""

    # ---- the heartbeat

    async def _keep_ticking(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self.tick()
            except Exception:
                log.exception("the heartbeat stumbled")
            # Not at once, whoever asks for it: Redis may refuse the next write too.
            await asyncio.sleep(self._interval / 10)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval * 0.9):
                    await self._wake.wait()

    async def tick(self) -> None:
        """Renew the lease, hold what was taken over, look who is dead. Called about once a second. Never raises."""
        if self.own.lost:
            return
        now, since = self._now(), self._now() - self._ticked
        self._ticked = now
        if since > self._interval + self._lease_seconds / 3:
            # It was this process that stood still: it has not seen whether others did.
            self._watch.restart(now)
        if self._link.away:
            self._out_of_reach()
            return
        try:
            if await self._renew(now):
                beats = await self._beat()
                await self._hold_orphans()
                await self._take_over_the_dead(beats, now)
                self._write_anew_if_outdated()
        except StoreUnavailable:
            self._out_of_reach()

    async def _renew(self, now: float) -> bool:
        """False: others hold this node for dead."""
        self._beats += 1
        state = await self._link.run(RENEW, self._keys.of_node(self.own.node), [self._token, self._beats, EXPIRY_MS])
        # Nothing in Redis says any more whether others took our book over while we stood still, if we did: be careful.
        stood_still = now - self._renewed > self._lease_seconds and not self._away_since_renewal
        if state == FENCED or (state == NEW and stood_still):
            self._fenced()
            return False
        self._renewed, self._away_since_renewal = now, False
        if state == NEW:
            log.warning("Redis has lost what it held of node %s: it is written anew", self.own.node)
            self._outdated = True
            self.on_emptied()
        self.own.age()
        return True

    async def _beat(self) -> dict[str, bytes]:
        """Show that we live; gives the beats of the other nodes."""
        beat = f"{self._token} {self._beats}"
        found = await self._link.run(BEAT, [self._keys.nodes], [self.own.node, beat, EXPIRY_MS])
        self.counts.garbage += found[0]
        beats = {found[at].decode(): found[at + 1] for at in range(1, len(found), 2)}
        beats.pop(self.own.node, None)
        self.nodes = 1 + len(beats)
        return beats

    def _fenced(self) -> None:
        log.error("node %s was held for dead: others have its book", self.own.node)
        self.counts.fenced += 1
        self.own.lose()
        for book in self._orphans.values():
            book.lose()
        self._orphans.clear()
        self.on_fenced()

    # ---- the dead

    async def _hold_orphans(self) -> None:
        for book in list(self._orphans.values()):
            await book.hold(self._fence_ms)

    async def _take_over_the_dead(self, beats: dict[str, bytes], asked: float) -> None:
        others = {node: beat for node, beat in beats.items() if node not in self._orphans}
        for node, lease in self._watch.look(others, self._now(), asked):
            keys = self._keys.of_node(node)
            answer = await self._link.run(TAKE, keys, [lease, self._token, self._fence_ms, _FALLEN_MS])
            if answer == 1:
                self._adopt(node)
            elif answer == -1:
                await self._link.send("HDEL", self._keys.nodes, node)
            elif isinstance(answer, bytes):
                self._watch.alive(node, answer, self._now())

    def _adopt(self, node: str) -> None:
        log.warning("node %s is dead or has left: this node takes its book over", node)
        self.counts.takeovers += 1
        book = OrphanedBook(self._link, self._keys, node, self._token, self.counts, self._let_go)
        self._orphans[node] = book
        self.on_orphaned(book)

    def _let_go(self, book: OrphanedBook) -> None:
        if self._orphans.get(book.node) is book:
            del self._orphans[book.node]

    @property
    def _fence_ms(self) -> int:
        return int(self._lease_seconds * 2000)

    # ---- Redis away and back

    def _out_of_reach(self) -> None:
        self._away_since_renewal = True
        self._watch.restart(self._now() + _GRACE)

    def _away(self, reason: str) -> None:
        self._out_of_reach()
        self._outdated = True
        for book in (self.own, *self._orphans.values()):
            book.stall()

    def _back(self) -> None:
        self._out_of_reach()
        self._look_soon()

    def _look_soon(self) -> None:
        """Redis may have lost what we wrote, or others have fenced us: the next tick tells, and it comes at once."""
        self._outdated = True
        self._wake.set()

    def _write_anew_if_outdated(self) -> None:
        if self._outdated and (self._resync is None or self._resync.done()):
            self._outdated = False
            self._resync = asyncio.get_running_loop().create_task(self._write_anew(self.own))

    async def _write_anew(self, book: OwnBook) -> None:
        began = time.monotonic()
        try:
            written = await book.write_anew(self.held())
        except StoreUnavailable:
            written = False
        except Exception:
            log.exception("what this node holds could not be written anew")
            written = False
        if written:
            self.counts.resyncs += 1
            log.info("node %s has written its book anew in %.2f s", book.node, time.monotonic() - began)
        else:
            self._outdated = True

    # ---- reading

    async def page(self, cursor: str, limit: int, api_id: str | None = None, stage: str | None = None) -> Page:
        return await self._listing.page(cursor, limit, api_id, stage)
