"""Keeps what is revoked true on this node: learns of it, refuses who comes, closes who is there.

A revocation is a document of kind `revocation`; that it changed is announced to all nodes. Announcements may be lost,
so the store's revision is looked at twice a second, too. One that is lifted stays for a day, as lifted: what is not
there any more was lost with the store, and a node that knows it writes it down again. Without a store what is revoked
is known to this process alone, as long as it runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from math import inf

import msgspec

from wsgw.authorizers.access import Access
from wsgw.authorizers.revoked import KINDS, names_of
from wsgw.edge.connection import Connection
from wsgw.edge.node import Node
from wsgw.edge.refreshes import UNAUTHORIZED
from wsgw.edge.revocations import ENDING, LIFTED, REVOCATION, TOPIC, Ending, Revocation, Whose, decoded, name_of
from wsgw.errors import StoreUnavailable
from wsgw.observe.metrics import count
from wsgw.stores.base import Documents
from wsgw.waiting import set_within

log = logging.getLogger("wsgw.authority")

#: How often the store is looked at, seconds: an announcement may be lost, and a second is all that may pass. Every so
#: many times all is read: a store that was emptied counts its revision anew, and may come to the same number.
_EVERY = 0.5
_ALL = 20
#: How long the loop may be held by looking at connections, seconds, and how often the clock is looked at.
_TURN = 0.002
_STRIDE = 64
#: How long it is known that a principal's connections were to end, and how far nodes' clocks may differ, seconds.
_REMEMBERED = 300
_SKEW = 2.0
#: How long it is known that a revocation was lifted, seconds: a node may be cut off for so long.
_LIFTED_SECONDS = 86_400.0


class Authority:
    """One for each node. documents: None where nothing is stored. announce: tells all nodes of a topic."""

    def __init__(
        self,
        node: Node,
        access: Access,
        documents: Documents | None,
        announce: Callable[[str], None] | None,
    ) -> None:
        self._node = node
        self._access = access
        self.revoked = access.revoked
        self._documents = documents
        self._announce = announce
        self._revision = -1
        self._known: dict[str, Revocation] = {}
        #: With the time (of the node's clock) by which a connection must have been opened here.
        self._endings: dict[Whose, tuple[Ending, float]] = {}
        self._changing = asyncio.Lock()
        self._hint = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._look_again = False

    # ---- life

    async def begin(self) -> None:
        """Learn what is revoked before anybody comes. Raises StoreUnavailable."""
        if self._documents is not None:
            await self._read(self._documents)

    def follow(self) -> None:
        """Go on learning of it."""
        if self._documents is not None:
            self._following = asyncio.get_running_loop().create_task(self._follow(self._documents))

    async def close(self) -> None:
        tasks = [task for task in (self._following, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def announced(self, topic: str) -> None:
        """A node has said that `topic` changed; "": something may have been missed."""
        if topic in ("", TOPIC):
            self._hint.set()

    # ---- what operators and backends ask for

    def revocations(self) -> dict[str, Revocation]:
        """Those in force, by `kind/name`."""
        return {name: one for name, one in self._known.items() if self._access.revoked.has(name)}

    async def revoke(self, kind: str, name: str, until: float | None = None) -> Revocation:
        """Refuse `name` from now on, on all nodes. Raises StoreUnavailable, and then nothing has changed."""
        assert kind in KINDS
        async with self._changing:
            one = Revocation(self._access.now(), until)
            await self._change(f"{kind}/{name}", one)
        return one

    async def lift(self, kind: str, name: str) -> bool:
        """Let `name` in again. False if it was not revoked. Raises StoreUnavailable."""
        key = f"{kind}/{name}"
        async with self._changing:
            if not self._access.revoked.has(key):
                return False
            await self._change(key, Revocation(self._access.now(), LIFTED))
        return True

    async def _change(self, key: str, one: Revocation) -> None:
        """Store it, and no longer those that have been over for long."""
        long_ago = self._access.now() - _LIFTED_SECONDS
        over = [
            name for name, old in self._known.items() if old.until is not None and max(old.at, old.until) < long_ago
        ]
        changes: dict[str, Revocation | None] = {**dict.fromkeys(over), key: one}
        await self._write(REVOCATION, changes)
        self._know({name: value for name, value in {**self._known, **changes}.items() if value is not None})

    async def end_principal(self, principal_id: str, api_id: str = "", stage: str = "") -> None:
        """End every connection of a principal with 1000, on all nodes, soon. Raises StoreUnavailable."""
        async with self._changing:
            now = self._access.now()
            ending = Ending(principal_id, api_id, stage, now)
            past = [whose for whose, (one, _) in self._endings.items() if one.at < now - _REMEMBERED]
            await self._write(ENDING, {**dict.fromkeys(map(name_of, past)), name_of(ending.whose): ending})
            for whose in past:
                del self._endings[whose]
            self._endings[ending.whose] = (ending, self._node.now())
        self.look()

    async def _write(self, kind: str, changes: Mapping[str, msgspec.Struct | None]) -> None:
        if self._documents is None:
            return
        bodies = {name: None if one is None else msgspec.json.encode(one) for name, one in changes.items()}
        await self._documents.write(kind, bodies)
        if self._announce is not None:
            self._announce(TOPIC)

    # ---- learning

    async def _follow(self, documents: Documents) -> None:
        unread, sure = "", 0
        while True:
            # What was missed is made up for when the store answers again.
            sure = 0 if await set_within(self._hint, _EVERY) else max(0, sure - 1)
            try:
                await self._read(documents, whatever=not sure)
                unread, sure = "", sure or _ALL
            except StoreUnavailable as error:
                # What is known stays in force. Why is said once, not every second.
                if str(error) != unread:
                    log.warning("what is revoked cannot be read: %s", error)
                unread = str(error)
            except Exception:
                log.exception("what is revoked could not be read")

    async def _read(self, documents: Documents, *, whatever: bool = True) -> None:
        """whatever: also where its revision says that nothing has changed. Raises StoreUnavailable."""
        # What is revoked here meanwhile must not be forgotten for what was stored before.
        async with self._changing:
            revision = await documents.revision()
            if whatever or revision != self._revision:
                await self._learn(documents, revision)

    async def _learn(self, documents: Documents, revision: int) -> None:
        known = decoded(await documents.all(REVOCATION), Revocation)
        endings = decoded(await documents.all(ENDING), Ending)
        lost = {name: one for name, one in self._known.items() if name not in known and self.revoked.has(name)}
        if lost:
            # The store came back without them, and nobody has asked to let anybody in again.
            log.error("%d revocations were not stored any more; they stay in force, and are stored again", len(lost))
            await self._write(REVOCATION, lost)
            known |= lost
        self._revision = revision
        self._know(known)
        now, before = self._node.now(), self._endings
        wall = self._access.now()
        # Clocks differ: one that was opened here by the time that this node has learned of it is meant, too.
        self._endings = {
            one.whose: before[one.whose]
            if one.whose in before and before[one.whose][0] == one
            else (one, now - max(0.0, wall - one.at - _SKEW))
            for one in endings.values()
        }
        if any(before.get(whose) != known for whose, known in self._endings.items()):
            self.look()

    def _know(self, known: dict[str, Revocation]) -> None:
        new = any(self._known.get(name) != one for name, one in known.items())
        self._known = known
        self._access.revoked.until = {
            name: inf if one.until is None else one.until for name, one in known.items() if one.until != LIFTED
        }
        if new:
            self.look()

    # ---- who is there

    def look(self) -> None:
        """Look at every open connection soon: a key may be gone, a principal revoked, connections may have to end."""
        self._look_again = True
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_at_all())

    def verdict(self, connection: Connection) -> Callable[[], None] | None:
        """What ends `connection`; None for one that may stay."""
        if connection.principal is None and connection.api_key is None:
            return None
        if self._access.revoked.of(connection) or self._has_lost_its_key(connection):
            return partial(connection.close, UNAUTHORIZED, "Revoked")
        if self._endings and self._is_to_end(connection):
            return connection.end_normally
        return None

    async def _look_at_all(self) -> None:
        while self._look_again:
            self._look_again = False
            began = time.perf_counter()
            for number, connection in enumerate(self._node, 1):
                end = self.verdict(connection)
                if end is not None:
                    count("connections_revoked")
                    end()
                # One that closes costs a write: the clock is looked at each time, else now and then.
                if (end is not None or not number % _STRIDE) and time.perf_counter() - began > _TURN:
                    await asyncio.sleep(0)
                    began = time.perf_counter()

    def _has_lost_its_key(self, connection: Connection) -> bool:
        """The key that it was opened with was taken away, or disabled, since."""
        access = self._access
        for name in names_of(connection):
            kind, _, key = name.partition("/")
            if kind == "accessKey" and key not in access.access_keys:
                return True
            if kind == "apiKey" and not ((known := access.api_keys.get(key)) is not None and known.enabled):
                return True
        return False

    def _is_to_end(self, connection: Connection) -> bool:
        principal, live = connection.principal, connection.slot.live
        if principal is None:
            return False
        # Looked up, for there may be as many of them as users have signed out within minutes.
        known = [self._endings.get(("", "", principal.id))]
        if live is not None:
            known.append(self._endings.get((live.api_id, live.stage, principal.id)))
        return any(one is not None and connection.opened_at <= one[1] for one in known)
