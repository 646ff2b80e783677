"""The connections that this process holds: look-up, deadlines, tasks, and the drain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from wsgw.edge.connection import Connection
from wsgw.edge.deadlines import Wheel
from wsgw.edge.frames import GOING_AWAY, FrameRules, Message
from wsgw.edge.lifetime import due
from wsgw.integrations.drive import Drive
from wsgw.settings import Settings

#: Most frames of one message, whatever its size.
_FRAGMENTS = 16_384
#: After a deployment all connections are looked at, spread over this many seconds.
_LOOK_AGAIN = 5


class Clock:
    """Time as the edge sees it: `now` (seconds) never goes back, `wall_ms` is epoch milliseconds. Tests set it."""

    def now(self) -> float:
        return time.monotonic()

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Node:
    """All connections of this process. `name` is in every connection id.

    `on_message` (messages.py) and `on_disconnect` (departures.py) are set with the node's other parts, and never raise.
    """

    on_message: Callable[[Connection, Message], Awaitable[None]]
    on_disconnect: Callable[[Connection], Coroutine[Any, Any, None]]
    #: Takes a message that may be the answer to `wsgw.refresh`: whether it is (refreshes.py).
    on_refresh: Callable[[Connection, bytes], bool]

    def __init__(self, name: str, settings: Settings, clock: Clock | None = None) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock or Clock()
        self.now = self.clock.now
        self.wall_ms = self.clock.wall_ms
        self.draining = False
        self.paused = False
        #: What runs is waited for: more requests, which may come without end, are refused.
        self.finishing = False
        self._connections: dict[str, Connection] = {}
        self._closing: set[Connection] = set()
        self._wheel = Wheel()
        self._drives: set[Drive] = set()
        self._rules: dict[tuple[int, int, bool, bool], FrameRules] = {}
        self._empty = asyncio.Event()

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._connections.values()))

    def get(self, connection_id: str) -> Connection | None:
        """The open connection with this id, if it is here."""
        return self._connections.get(connection_id)

    @property
    def refuses(self) -> str:
        """Why no handshake is taken now; "" if they are."""
        return "draining" if self.draining else "rejoining" if self.paused else ""

    # ---- called by connections

    def add(self, connection: Connection) -> None:
        self._connections[connection.id] = connection
        connection.slot.connections += 1
        self._wheel.put(connection, due(connection, self.now()))
        if self.draining:
            # Its `$connect` was under way when the drain began: it is told as the others are.
            connection.close(GOING_AWAY, "Going away")

    def remove(self, connection: Connection) -> None:
        """The connection begins to close: nobody finds it from here on."""
        if self._connections.pop(connection.id, None) is not None:
            connection.slot.connections -= 1
            self._closing.add(connection)

    def forget(self, connection: Connection) -> None:
        """Its socket is gone, and so are its deadlines."""
        self._wheel.drop(connection)

    def told(self, connection: Connection) -> None:
        """Its `$disconnect` is on its way: nothing of it is left here."""
        self._closing.discard(connection)

    def closing(self) -> list[Connection]:
        """Connections that nobody finds any more, whose `$disconnect` is not yet on its way."""
        return list(self._closing)

    def hasten(self, connection: Connection, deadline: float) -> None:
        self._wheel.hasten(connection, deadline)

    def frame_rules(self, connection: Connection) -> FrameRules:
        """What this connection's frames may be: its stage's limits now."""
        live = connection.slot.live
        if live is None:
            return FrameRules(compression=connection.window_bits > 0)
        key = (live.limits.frame_bytes, live.limits.message_bytes, not live.binary_pass, connection.window_bits > 0)
        rules = self._rules.get(key)
        if rules is None:
            rules = FrameRules(
                frame_bytes=key[0],
                message_bytes=key[1],
                # A stage that allows larger messages allows more frames of them, down to 64 bytes each.
                fragments=max(_FRAGMENTS, key[1] // 64) if key[1] else 0,
                reject_binary=key[2],
                compression=key[3],
            )
            self._rules[key] = rules
        return rules

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, which is held until it ends. It is driven, not a task: see integrations/drive.py."""
        drive = Drive(work, self._drives.discard)
        self._drives.add(drive)
        drive.step()

    # ---- time

    def sweep(self) -> None:
        """Close, ping or drop whatever is due. Called some times a second, and by tests after they moved the clock."""
        now = self.now()
        for timed in self._wheel.due(now):
            assert isinstance(timed, Connection)
            again = due(timed, now)
            if timed.transport is not None:
                self._wheel.hasten(timed, again)

    def look_again(self) -> None:
        """Look at every connection soon: a deployment may have brought its deadlines nearer."""
        now, count = self.now(), len(self._connections)
        for number, connection in enumerate(self._connections.values()):
            self._wheel.hasten(connection, now + _LOOK_AGAIN * number / count)

    # ---- the end

    async def drain(self, seconds: float) -> None:
        """Close every connection with 1001, evenly spread over `seconds`; returns when all have been told."""
        self.draining = True
        waiting = list(self._connections.values())
        began = self.now()
        for number, connection in enumerate(waiting):
            turn = began + seconds * number / len(waiting)
            pause = turn - self.now()
            if pause > 0:
                await self.clock.sleep(pause)
            connection.close(GOING_AWAY, "Going away")

    async def evict(self, code: int, reason: str) -> None:
        """Close every connection now, some hundred in a turn of the loop."""
        for number, connection in enumerate(list(self._connections.values())):
            connection.close(code, reason)
            if number % 200 == 199:
                await asyncio.sleep(0)

    async def finish(self, seconds: float) -> int:
        """Wait until sockets and work have ended, `seconds` at most, then end them. Gives how many were cut off."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (self._closing or self._drives or self._connections) and loop.time() < deadline:
            self.sweep()
            await asyncio.sleep(0.02)
        running = list(self._drives)
        for connection in [*self._closing, *self._connections.values()]:
            connection.abort(GOING_AWAY, "Going away")
        for drive in running:
            drive.cancel()
        await asyncio.sleep(0)
        return len(running)
