"""The addresses behind a backend's name, remembered for a short time."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

#: As `loop.getaddrinfo`: rows of (family, type, protocol, canonical name, socket address).
Lookup = Callable[..., Awaitable[list[Any]]]

#: A name that could not be resolved is asked for again after this long.
_NEGATIVE_TTL = 1.0


class Addresses:
    """The addresses of one host and port. The one that answered last is tried first.

    `lookup` takes what `loop.getaddrinfo` takes; `ttl` in seconds; `clock` gives seconds and never goes back.
    """

    __slots__ = ("_clock", "_error", "_found", "_good_until", "_host", "_lock", "_lookup", "_ttl", "port")

    def __init__(
        self, host: str, port: int, lookup: Lookup, ttl: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._host = host
        self.port = port
        self._lookup = lookup
        self._ttl = ttl
        self._clock = clock
        self._lock = asyncio.Lock()
        self._found: list[str] = []
        self._error: OSError | None = None
        self._good_until = float("-inf")

    async def all(self) -> list[str]:
        """The IP addresses, at least one. Raises OSError (socket.gaierror) if the name has none."""
        # Many connections opened at once ask once: the first holds the lock while it asks.
        async with self._lock:
            if self._clock() >= self._good_until:
                await self._resolve()
        if self._error is not None:
            raise socket.gaierror(self._error.errno, "name resolution failed") from self._error
        return list(self._found)

    async def _resolve(self) -> None:
        try:
            rows = await self._lookup(self._host, self.port, type=socket.SOCK_STREAM)
            # The same address may come once per protocol; dict keeps the resolver's order (RFC 6724).
            self._found = list(dict.fromkeys(str(row[4][0]) for row in rows))
            self._error = None if self._found else socket.gaierror(socket.EAI_NONAME, "no address")
        except (OSError, UnicodeError) as error:
            self._error = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, str(error))
        self._good_until = self._clock() + (self._ttl if self._error is None else _NEGATIVE_TTL)

    def prefer(self, address: str) -> None:
        """Try `address` first from now on."""
        if address in self._found:
            self._found.remove(address)
            self._found.insert(0, address)

    def forget(self) -> None:
        """Ask again next time: nothing answered at these addresses."""
        self._good_until = float("-inf")
