"""Keeps what is revoked true on this node: learns of it, refuses who comes, closes who is there.

A revocation is a document of kind `revocation`; that it changed is announced to all nodes. Announcements may be lost,
so the store's revision is looked at every second, too. Without a store what is revoked is known to this process alone,
as long as it runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import inf
from typing import Any, Final

import msgspec

from wsgw.authorizers.access import Access
from wsgw.authorizers.revoked import KINDS, names_of
from wsgw.edge.connection import Connection
from wsgw.edge.node import Node
from wsgw.edge.refreshes import UNAUTHORIZED
from wsgw.errors import StoreUnavailable
from wsgw.observe.metrics import count
from wsgw.stores.base import Documents

log = logging.getLogger("wsgw.authority")

#: What nodes announce to each other when something was revoked, or a principal's connections are to end.
TOPIC: Final = "revocations"
REVOCATION: Final = "revocation"
ENDING: Final = "principalEnding"

#: How often the store is looked at, seconds: an announcement may be lost.
_EVERY = 1.0
#: How long the loop may be held by looking at connections, seconds, and how often the clock is looked at.
_TURN = 0.002
_STRIDE = 64
#: How long it is known that a principal's connections were to end, and how far nodes' clocks may differ, seconds.
_REMEMBERED = 300
_SKEW = 2.0


class Revocation(msgspec.Struct, frozen=True, omit_defaults=True):
    """`until` and `at` in epoch seconds; `until` None: until it is lifted."""

    at: float
    until: float | None = None


class Ending(msgspec.Struct, frozen=True, rename="camel"):
    """All connections of a principal that were opened by `at` (epoch seconds) end; api_id and stage "": of any."""

    principal_id: str
    api_id: str
    stage: str
    at: float


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
        self._endings: dict[str, tuple[Ending, float]] = {}
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
            over = [name for name in self._known if not self._access.revoked.has(name)]
            changes: dict[str, Revocation | None] = {**dict.fromkeys(over), f"{kind}/{name}": one}
            await self._write(REVOCATION, changes)
            self._know({key: value for key, value in {**self._known, **changes}.items() if value is not None})
        return one

    async def lift(self, kind: str, name: str) -> bool:
        """Let `name` in again. False if it was not revoked. Raises StoreUnavailable."""
        key = f"{kind}/{name}"
        async with self._changing:
            if key not in self._known:
                return False
            await self._write(REVOCATION, {key: None})
            self._know({other: one for other, one in self._known.items() if other != key})
        return True

    async def end_principal(self, principal_id: str, api_id: str = "", stage: str = "") -> None:
        """End every connection of a principal with 1000, on all nodes, soon. Raises StoreUnavailable."""
        key = msgspec.json.encode([api_id, stage, principal_id]).decode()
        async with self._changing:
            now = self._access.now()
            ending = Ending(principal_id, api_id, stage, now)
            past = {old for old, (one, _) in self._endings.items() if one.at < now - _REMEMBERED}
            await self._write(ENDING, {**dict.fromkeys(past), key: ending})
            kept = {old: known for old, known in self._endings.items() if old not in past}
            self._endings = {**kept, key: (ending, self._node.now())}
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
        unread = ""
        while True:
            try:
                async with asyncio.timeout(_EVERY):
                    await self._hint.wait()
            except TimeoutError:
                pass
            self._hint.clear()
            try:
                await self._read(documents)
                unread = ""
            except StoreUnavailable as error:
                # What is known stays in force. Why is said once, not every second.
                if str(error) != unread:
                    log.warning("what is revoked cannot be read: %s", error)
                unread = str(error)
            except Exception:
                log.exception("what is revoked could not be read")

    async def _read(self, documents: Documents) -> None:
        # What is revoked here meanwhile must not be forgotten for what was stored before.
        async with self._changing:
            await self._learn(documents)

    async def _learn(self, documents: Documents) -> None:
        revision = await documents.revision()
        if revision == self._revision:
            return
        if revision == 0 and self._revision > 0:
            # Every write counts it up: the store was emptied, and nobody has asked to let anybody in again.
            if self._known:
                log.error("revocations are not stored any more; those known here stay in force: revoke them again")
            self._revision = revision
            return
        known = _decoded(await documents.all(REVOCATION), Revocation)
        endings = _decoded(await documents.all(ENDING), Ending)
        self._revision = revision
        self._know(known)
        now, before = self._node.now(), self._endings
        wall = self._access.now()
        # Clocks differ: one that was opened here by the time that this node has learned of it is meant, too.
        self._endings = {
            key: before[key]
            if key in before and before[key][0] == one
            else (one, now - max(0.0, wall - one.at - _SKEW))
            for key, one in endings.items()
        }
        if any(before.get(key) != known for key, known in self._endings.items()):
            self.look()

    def _know(self, known: dict[str, Revocation]) -> None:
        new = any(self._known.get(name) != one for name, one in known.items())
        self._known = known
        self._access.revoked.until = {name: inf if one.until is None else one.until for name, one in known.items()}
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
        if self._endings and any(self._is_to_end(connection, *one) for one in self._endings.values()):
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

    @staticmethod
    def _is_to_end(connection: Connection, ending: Ending, opened_by: float) -> bool:
        principal, live = connection.principal, connection.slot.live
        if principal is None or principal.id != ending.principal_id or connection.opened_at > opened_by:
            return False
        if not ending.api_id:
            return True
        return live is not None and (live.api_id, live.stage) == (ending.api_id, ending.stage)


def _decoded(documents: Mapping[str, bytes], kind: Any) -> dict[str, Any]:
    found = {}
    for name, body in documents.items():
        try:
            found[name] = msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            log.error("the stored document %s cannot be read (%s): revoke it again", name.partition("/")[0], error)
    return found


def described(revocations: Mapping[str, Revocation]) -> Iterable[dict[str, Any]]:
    """`revocations` as the control port lists them."""
    for name, one in sorted(revocations.items()):
        kind, _, what = name.partition("/")
        yield {"kind": kind, "name": what, "at": one.at, "until": one.until}
