"""A channel that a node listens to, and the watch on whether it still hears anything.

A connection whose other end has vanished looks like one on which nothing is said. So something is said on every channel
at least once in `every` seconds, and silence twice as long means that the subscription is made anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.subscription import Subscription

#: How long the first subscription may take.
_OPEN_SECONDS = 5.0


class Ear:
    """Listens to `channel`. shared: all nodes do, on a channel that is not sharded, and one node's beat is enough.

    on_message(data): called with each message
    on_gap(): called after each time that the channel was not heard: messages may be lost
    say(): says something on the channel, called when it is time to
    """

    def __init__(
        self,
        link: Link,
        channel: str,
        on_message: Callable[[bytes], None],
        on_gap: Callable[[], None],
        say: Callable[[], None],
        *,
        every: float,
        now: Callable[[], float],
        shared: bool = False,
    ) -> None:
        self._channel = channel
        self._link = link
        self._on_message = on_message
        self._on_gap = on_gap
        self._say_something = say
        self._every = every
        self._now = now
        self._shared = shared
        self._subscription: Subscription | None = None

    @property
    def hears(self) -> bool:
        return self._subscription is not None and self._subscription.alive

    async def open(self) -> None:
        """Returns when the channel is heard. Raises StoreUnavailable."""
        self._opened = asyncio.get_running_loop().create_future()
        self._heard = self._said = self._ticked = self._now()
        self._link.on_back.append(self._back)
        self._subscription = self._link.subscribe(
            self._channel, self._message, self._subscribed, sharded=not self._shared
        )
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await self._opened
        except TimeoutError:
            await self.close()
            raise StoreUnavailable(f"no subscription to {self._channel} within {_OPEN_SECONDS:.0f} s") from None

    async def close(self) -> None:
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            self._link.on_back.remove(self._back)
            await subscription.close()

    def tick(self, now: float) -> None:
        """To be called some times a second: beats, and makes the subscription anew when nothing is heard."""
        if self._subscription is None:
            return
        if now - self._ticked > self._every or self._link.away:
            # It is this process that stood still, or Redis is known to be away: the silence proves nothing yet.
            self._heard = max(self._heard, now - self._every)
        self._ticked = now
        if now - self._heard > 2 * self._every:
            self._renew(now)
        said = self._heard if self._shared else self._said
        if now - said >= self._every and not self._link.away:
            self._say(now)

    def beat(self, now: float, within: float) -> None:
        """Say something, unless something was said `within` these seconds."""
        if now - self._said >= within and not self._link.away:
            self._say(now)

    def _message(self, data: bytes) -> None:
        self._heard = self._now()
        self._on_message(data)

    def _subscribed(self, first: bool) -> None:
        self._heard = self._now()
        if not self._opened.done():
            self._opened.set_result(None)
        elif not first:
            self._on_gap()

    def _back(self) -> None:
        # Commands go over a new connection now; this one may have ended with the old one, without a word.
        now = self._now()
        if now - self._heard > self._every:
            self._renew(now)
        self._say(now)

    def _say(self, now: float) -> None:
        self._said = now
        self._say_something()

    def _renew(self, now: float) -> None:
        self._heard = now
        # Not alive: it is being made anew already.
        if self._subscription is not None and self._subscription.alive:
            self._subscription.drop()
