"""Host names of Redis: looked up beside the loop, one at a time each, however long the resolver takes."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable, Coroutine
from typing import Any

from wsgw.errors import StoreUnavailable

LookUp = Callable[[str, int], Coroutine[Any, Any, Any]]


class Names:
    """Looks names up before a connection is made to them.

    A look-up keeps a thread busy and cannot be ended. Whoever gives up waits for that same one the next time, or a
    resolver that hangs would soon have all threads that the process has for look-ups.
    """

    def __init__(self, look_up: LookUp | None = None) -> None:
        self._look_up = look_up
        self._asked: dict[str, asyncio.Future[Any]] = {}

    async def found(self, host: str, port: int) -> None:
        """Return when `host` has an address. Raises StoreUnavailable if it has none."""
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return
        asked = self._asked.get(host)
        if asked is None:
            look_up = self._look_up or asyncio.get_running_loop().getaddrinfo
            asked = self._asked[host] = asyncio.ensure_future(look_up(host, port))
            asked.add_done_callback(lambda done: self._answered(host, done))
        await asyncio.wait([asked])
        error = asked.exception()
        if error is not None:
            raise StoreUnavailable(
                f"the name {host} has no address: {getattr(error, 'strerror', None) or error}; is it right?"
            )

    def _answered(self, host: str, done: asyncio.Future[Any]) -> None:
        self._asked.pop(host, None)
        if not done.cancelled():
            done.exception()  # nobody may be waiting any more
