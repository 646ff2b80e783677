"""`$disconnect`, at least once: told when a connection ends, tried again when its backend does not take it.

An event that fails is written into the node's book before it waits here, so that it survives this process; when a node
dies, one of those left works through its book. Every delivery of an event carries the same event id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from heapq import heapify, heappop, heappush

from wsgw.caller import ConnectionFacts
from wsgw.edge.connection import Connection
from wsgw.edge.departed import Departed, record_of
from wsgw.edge.disconnect import Ending, Outcome
from wsgw.edge.node import Node
from wsgw.errors import StoreUnavailable
from wsgw.live.route_table import LiveSocketStage
from wsgw.live.stages import Stages
from wsgw.stores.base import Book
from wsgw.stores.records import ConnectionRecord, Departure

log = logging.getLogger("wsgw.disconnect")

#: First pause before another attempt, seconds; it doubles up to disconnect_backoff_seconds.
_FIRST_PAUSE = 1.0
#: A backend that takes events again gets those that wait no oftener than this, seconds.
_HASTE = 1.0

Tell = Callable[[ConnectionFacts, LiveSocketStage, Ending], Awaitable[Outcome]]


class _Owed:
    """An event that waits for another attempt. Times are seconds of the node's clock."""

    __slots__ = ("adopted", "book", "departure", "due", "expires", "pause", "waits", "worked_off")

    def __init__(self, departure: Departure, book: Book, adopted: bool, expires: float) -> None:
        self.departure = departure
        self.book = book
        self.adopted = adopted
        self.expires = expires
        self.pause = _FIRST_PAUSE
        self.due = 0.0
        self.waits = False
        self.worked_off: Callable[[], None] | None = None

    def __lt__(self, other: _Owed) -> bool:
        return self.due < other.due


class Departures:
    """Tells backends of the connections that have ended. `book` is the node's own; `tell` makes one attempt.

    given_up: events that no backend took; delivered: those that one took at a later attempt, or of a dead node.
    """

    def __init__(self, node: Node, stages: Stages, book: Callable[[], Book], tell: Tell) -> None:
        self._node = node
        self._stages = stages
        self._book = book
        self._tell = tell
        self._owed: dict[_Owed, None] = {}  # the oldest first
        self._line: list[_Owed] = []  # a heap of those that wait, and of some that were given up meanwhile
        self._trying = 0
        self._stopped = False
        self.given_up = self.delivered = 0
        self._failing: dict[tuple[str, str], float] = {}
        self._ending: dict[str, ConnectionRecord] = {}
        self._adopting: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Events that wait for another attempt, or make one."""
        return len(self._owed)

    @property
    def adopting(self) -> int:
        """Books of dead nodes that are being worked through."""
        return len(self._adopting)

    def ending(self) -> list[ConnectionRecord]:
        """The connections whose first attempt is under way: they are in the book as long."""
        return list(self._ending.values())

    # ---- the first attempt

    async def ended(self, connection: Connection) -> None:
        """Tell the `$disconnect` route that `connection` has ended, now or later. Never raises."""
        live = connection.slot.live
        book = self._book()
        self._node.told(connection)
        if live is None:
            book.leave(connection.id)
            return
        ending = Ending(connection.close_code, connection.close_reason, self._node.wall_ms())
        record = self._ending[connection.id] = record_of(connection, live.api_id, live.stage)
        departure = Departure(record, ending.code, ending.reason, ending.ended_at)
        try:
            outcome = await self._tell(connection, live, ending)
        except asyncio.CancelledError:
            # The process ends before the backend has answered: whoever comes next tells it again.
            (self._book() if book.lost else book).defer(departure)
            raise
        finally:
            del self._ending[connection.id]
        if outcome is Outcome.TAKEN:
            book.leave(connection.id)
            self._works_again((live.api_id, live.stage))
        else:
            owed = self._owe(departure, book, adopted=False)
            if outcome is Outcome.HOPELESS or not self._node.settings.disconnect_retry_seconds:
                self._give_up(owed, "its route cannot be run" if outcome is Outcome.HOPELESS else "it failed")
                return
            book.defer(departure)
            self._again(owed)

    def _owe(self, departure: Departure, book: Book, *, adopted: bool) -> _Owed:
        node = self._node
        # Only the wall's clock compares with that of another process. If it is wrong, an event is still tried once.
        age = max(0.0, (node.wall_ms() - departure.ended_at) / 1000) if adopted else 0.0
        expires = node.now() + max(0.0, node.settings.disconnect_retry_seconds - age)
        owed = _Owed(departure, book, adopted, expires)
        self._owed[owed] = None
        return owed

    # ---- more attempts

    def _again(self, owed: _Owed) -> None:
        """Put `owed` in line for another attempt, or give it up if it has had its time."""
        now, settings = self._node.now(), self._node.settings
        record = owed.departure.connection
        if owed.book.lost and not owed.adopted:
            # This node was held for dead, and has a new book. Whoever took the old one over may not know of this event.
            owed.book = self._book()
            owed.book.defer(owed.departure)
        self._failing.setdefault((record.api_id, record.stage), now)
        if now >= owed.expires:
            self._give_up(owed, f"its backend did not take it for {settings.disconnect_retry_seconds:g} s")
            return
        if len(self._owed) - self._trying > settings.disconnect_queue:
            self._give_up(next(one for one in self._owed if one.waits), f"more than {settings.disconnect_queue} wait")
            if len(self._line) > 2 * settings.disconnect_queue:
                self._line = [one for one in self._line if one.waits]
                heapify(self._line)
        # Jitter: events that failed together do not all come back together.
        owed.due = now + owed.pause * random.uniform(0.5, 1)
        owed.pause = min(owed.pause * 2, settings.disconnect_backoff_seconds)
        owed.waits = True
        heappush(self._line, owed)

    def sweep(self) -> None:
        """Try what is due. Called some times a second, and by tests after they moved the clock."""
        self._moved.set()
        now = self._node.now()
        most = self._node.settings.disconnect_concurrency
        while self._line and self._line[0].due <= now and self._trying < most and not self._stopped:
            owed = heappop(self._line)
            if owed.waits:
                owed.waits = False
                self._trying += 1
                self._node.start(self._try(owed))

    async def _try(self, owed: _Owed) -> None:
        try:
            outcome = await self._attempt(owed)
        finally:
            self._trying -= 1
            # Not now: what answers at once would go deeper with every event.
            asyncio.get_running_loop().call_soon(self.sweep)
        if owed.adopted and owed.book.lost:
            del self._owed[owed]  # Another node has taken it over from us, and goes on with it.
        elif outcome is Outcome.TAKEN:
            self._settle(owed)
            self.delivered += 1
            self._works_again((owed.departure.connection.api_id, owed.departure.connection.stage))
        elif outcome is Outcome.HOPELESS:
            self._give_up(owed, "its route cannot be run")
        else:
            self._again(owed)

    async def _attempt(self, owed: _Owed) -> Outcome:
        departure = owed.departure
        record = departure.connection
        live = self._stages.live(record.api_id, record.stage)
        if live is None:
            return Outcome.FAILED  # Deployed elsewhere, or to be deployed again.
        return await self._tell(Departed(record), live, Ending(departure.code, departure.reason, departure.ended_at))

    def _works_again(self, stage: tuple[str, str]) -> None:
        """A backend took an event: those of its stage that wait come now, if it had failed before."""
        since = self._failing.get(stage)
        if since is None or self._node.now() - since < _HASTE:
            return
        del self._failing[stage]
        now = self._node.now()
        for owed in self._line:
            record = owed.departure.connection
            if (record.api_id, record.stage) == stage:
                owed.due = min(owed.due, now)
        heapify(self._line)

    def _settle(self, owed: _Owed) -> None:
        owed.waits = False
        del self._owed[owed]
        owed.book.leave(owed.departure.connection.id)
        if owed.worked_off is not None:
            owed.worked_off()

    def _give_up(self, owed: _Owed, why: str) -> None:
        record = owed.departure.connection
        self.given_up += 1
        log.error(
            "a $disconnect is given up: %s: api=%s stage=%s connection=%s code=%s",
            why,
            record.api_id,
            record.stage,
            record.id,
            owed.departure.code,
        )
        self._settle(owed)

    # ---- the books of dead nodes

    def adopt(self, book: Book) -> None:
        """Deliver whatever is owed in `book`, which was a dead node's, then close it."""
        task = asyncio.get_running_loop().create_task(self._work_through(book))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _work_through(self, book: Book) -> None:
        log.warning("node %s is gone: its connections are told as disconnected", book.node)
        under_way: set[str] = set()
        told = 0
        while not book.lost:
            try:
                async for departure in book.departures():
                    if departure.connection.id not in under_way:
                        await self._room()
                        told += 1
                        self._take_over(departure, book, under_way)
                await self._until(lambda: not under_way or book.lost)
                break
            except StoreUnavailable:
                await asyncio.sleep(1)
        if not book.lost:
            await book.close()
        log.warning("node %s: %d connections told as disconnected", book.node, told)

    def _take_over(self, departure: Departure, book: Book, under_way: set[str]) -> None:
        connection_id = departure.connection.id
        under_way.add(connection_id)
        owed = self._owe(departure, book, adopted=True)
        owed.worked_off = lambda: under_way.discard(connection_id)
        self._trying += 1
        self._node.start(self._try(owed))

    async def _room(self) -> None:
        settings = self._node.settings
        await self._until(
            lambda: (
                self._trying < settings.disconnect_concurrency
                and len(self._owed) - self._trying < settings.disconnect_queue
            )
        )

    async def _until(self, true: Callable[[], bool]) -> None:
        """Return once `true`: looked at whenever an attempt has ended, and with every sweep."""
        while not true():
            self._moved.clear()
            await self._moved.wait()

    # ---- the end

    async def stop(self) -> None:
        """Try nothing any more. What waits is in the books, if the store outlives this process."""
        self._stopped = True
        for task in list(self._adopting):
            task.cancel()
        await asyncio.gather(*self._adopting, return_exceptions=True)
