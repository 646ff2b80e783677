"""What waits to be sent to Redis: commands as bytes on the wire, and scripts by their digest."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from redis.crc import key_slot

ASKING = b"*1\r\n$6\r\nASKING\r\n"


class Script:
    """A Lua script. It goes out whole once per connection, and as its SHA-1 from then on."""

    __slots__ = ("by_digest", "by_source", "digest", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        text = source.encode()
        # What stands between the count of arguments and the first key, on the wire.
        self.by_digest = b"$7\r\nEVALSHA\r\n$40\r\n%b\r\n" % self.digest.encode()
        self.by_source = b"$4\r\nEVAL\r\n$%d\r\n%b\r\n" % (len(text), text)


class Command:
    """One command on its way. `key` is what a cluster finds the node by, None where any will do."""

    __slots__ = ("asking", "future", "key", "packed", "script", "since", "whole")

    def __init__(
        self,
        packed: bytes,
        future: asyncio.Future[Any],
        key: str | bytes | None,
        since: float,
        script: Script | None = None,
    ) -> None:
        self.packed = packed
        self.future = future
        self.key = key
        self.since = since
        self.script = script
        #: Send the script's source: this connection has not seen it.
        self.whole = False
        #: The node to which a cluster sent this command on, while its slot moves there.
        self.asking: tuple[str, int] | None = None

    @property
    def slot(self) -> int:
        key = self.key or b""
        return key_slot(key.encode() if isinstance(key, str) else key)

    def wire(self) -> bytes:
        packed = self.packed
        if self.whole and self.script is not None:
            packed = packed.replace(self.script.by_digest, self.script.by_source, 1)
        return ASKING + packed if self.asking else packed

    def answer(self, reply: Any) -> None:
        if not self.future.done():
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # whoever still waits is told; if nobody does, that is no news for the log
