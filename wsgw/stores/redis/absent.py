"""Is a connection gone for good whose node does not listen? Its node's book says so, if it can be believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link, Script

#: KEYS: lease, open and owed of one node; ARGV: connection ids. Gives those that nobody holds and nobody is owed for.
_ABSENT = Script("""
local absent = {}
if redis.call('EXISTS', KEYS[1]) == 0 then
  for _, id in ipairs(ARGV) do
    if redis.call('HEXISTS', KEYS[2], id) == 0 and redis.call('HEXISTS', KEYS[3], id) == 0 then
      absent[#absent + 1] = id
    end
  end
end
return absent
""")


class Absent:
    """Looks connections up. It believes what Redis does not have only after `lease_seconds` of an unbroken view.

    Redis may have lost what it held: nodes that live write it down anew within that time, those that don't are dead.
    """

    def __init__(self, link: Link, keys: Keys, lease_seconds: float, now: Callable[[], float]) -> None:
        self._link = link
        self._keys = keys
        self._lease_seconds = lease_seconds
        self._now = now
        self.doubt()

    def doubt(self) -> None:
        """Redis was out of sight, or was emptied: begin to wait again."""
        self._since = self._now()

    def find(self, node: str, connection_ids: Sequence[str], found: Callable[[set[str]], None]) -> None:
        """Call `found` with those of `connection_ids` that are certainly gone: none, if that is not certain."""
        if self._link.away or self._now() - self._since <= self._lease_seconds:
            found(set())
            return
        since = self._since

        def looked(reply: asyncio.Future[Any]) -> None:
            certain = not reply.cancelled() and reply.exception() is None and self._since == since
            found({one.decode() for one in reply.result()} if certain else set())

        keys = self._keys
        reply = self._link.run(_ABSENT, [keys.lease(node), keys.open(node), keys.owed(node)], connection_ids)
        reply.add_done_callback(looked)
