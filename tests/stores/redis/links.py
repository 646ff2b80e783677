"""Links to a Redis, for tests of whatever is built on them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from wsgw.settings import Settings
from wsgw.stores.redis.link import Link


@contextlib.asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Link]:
    """A Link to `url`, open; patient, unless `settings` say otherwise: here Redis may be kept from its processor."""
    link = Link(Settings(redis=url, **{"redis_seconds": 1, **settings}))
    await link.open()
    try:
        yield link
    finally:
        await link.close()


class Notes:
    """What a Link or a Subscription tells, in its order."""

    def __init__(self, link: Link | None = None) -> None:
        self.away: list[str] = []
        self.back = 0
        self.subscribed: list[bool] = []
        self.messages: list[bytes] = []
        if link is not None:
            link.on_away.append(self.away.append)
            link.on_back.append(self._back)

    def _back(self) -> None:
        self.back += 1
