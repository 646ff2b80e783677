"""This node among others: it joins, is told of the dead, learns that it was held for dead itself, and leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from wsgw.edge.departed import record_of
from wsgw.edge.departures import Departures
from wsgw.edge.frames import SERVICE_RESTART
from wsgw.edge.node import Node
from wsgw.edge.push import Push
from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Bus, Connections
from wsgw.stores.records import ConnectionRecord

log = logging.getLogger("wsgw.cluster")

#: Pause before this node tries again to join under a new name, seconds.
_REJOIN = 1.0


class Cluster:
    """Membership of `node`. bus: None where there are no other nodes, in which case nobody can take it for dead."""

    def __init__(self, node: Node, registry: Connections, bus: Bus | None, push: Push, departures: Departures) -> None:
        self._node = node
        self._registry = registry
        self._bus = bus
        self._departures = departures
        self._rejoining: asyncio.Task[None] | None = None
        registry.held = self._held
        registry.on_orphaned = departures.adopt
        registry.on_fenced = self._fenced
        if bus is not None:
            push.use(bus)

    async def join(self) -> None:
        """Take a name and a lease, and listen. Raises StoreUnavailable."""
        self._node.name = await self._registry.join()
        if self._bus is not None:
            await self._bus.open()

    def sweep(self) -> None:
        """Called some times a second, and by tests after they moved the clock."""
        if self._bus is not None:
            self._bus.tick()

    async def leave(self) -> None:
        """Let go of the name and of the lease; what is still owed is for others."""
        if self._rejoining is not None:
            self._rejoining.cancel()
            await asyncio.gather(self._rejoining, return_exceptions=True)
        await self._registry.close()
        if self._bus is not None:
            await self._bus.close()

    def _held(self) -> Iterator[ConnectionRecord]:
        """What stands in the book, made one by one: whoever reads it rests now and then."""
        for connection in (*self._node, *self._node.closing()):
            live = connection.slot.live
            if live is not None:
                yield record_of(connection, live.api_id, live.stage)
        yield from self._departures.ending()

    def _fenced(self) -> None:
        if self._rejoining is None or self._rejoining.done():
            self._node.paused = True
            self._rejoining = asyncio.get_running_loop().create_task(self._rejoin())

    async def _rejoin(self) -> None:
        """Close what others have told as gone, then begin anew under another name."""
        log.error("node %s was held for dead by others: closing its %d connections", self._node.name, len(self._node))
        await self._node.evict(SERVICE_RESTART, "Service restart")
        while True:
            if await self._has_rejoined():
                break
            await asyncio.sleep(_REJOIN)
        self._node.paused = False
        log.warning("joined again as node %s", self._node.name)

    async def _has_rejoined(self) -> bool:
        """Do what is left to do of it. The name stays, once there is one, unless others take its book as well."""
        try:
            if self._registry.own.lost:
                self._node.name = await self._registry.rejoin()
            if self._bus is not None:
                await self._bus.move()
        except StoreUnavailable as error:
            log.warning("cannot join again yet: %s", error)
            return False
        return not self._registry.own.lost
