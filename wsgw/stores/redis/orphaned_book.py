"""The book of a dead node, in the hands of the node that took it over."""

from __future__ import annotations

import logging
from collections.abc import Callable

from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.book import RedisBook
from wsgw.stores.redis.counts import Counts
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.membership import has_left
from wsgw.stores.redis.registry_scripts import FINISH, HOLD

log = logging.getLogger("wsgw.cluster")


class OrphanedBook(RedisBook):
    """Guarded by the fence, which the taker holds with every tick; `done(book)` is called once it is let go of."""

    def __init__(
        self, link: Link, keys: Keys, node: str, token: str, counts: Counts, done: Callable[[OrphanedBook], None]
    ) -> None:
        super().__init__(link, keys, node, keys.fence(node), token, counts)
        self._nodes = keys.nodes
        self._lease = keys.lease(node)
        self._done = done

    async def hold(self, expiry_ms: int) -> None:
        """Renew the fence; the book is lost if another has it. Raises StoreUnavailable."""
        if self.lost:
            return
        if await self._link.run(HOLD, [self._keys[0]], [self._token, expiry_ms]) == 1:
            self.resume()
        elif not self.lost:
            log.warning("the book of node %s went to another node: this one was too slow", self.node)
            self.lose()
            self._done(self)

    async def close(self) -> None:
        """Let go of it. If anything is left in it, whoever comes first takes it over again."""
        if self.lost:
            return
        await super().close()
        self._done(self)
        try:
            guard, open_, owed = self._keys
            finished = await self._link.run(FINISH, [self._lease, guard, open_, owed], [self._token])
            if finished == 1:
                await self._link.send("HDEL", self._nodes, self.node)
            elif finished == 0:
                await self._link.send("HSET", self._nodes, self.node, has_left(self._token))
        except StoreUnavailable:
            # The fence runs out by itself; who takes the book over then finds what is left, perhaps nothing.
            log.warning("the book of node %s is done, but Redis could not be told", self.node)
