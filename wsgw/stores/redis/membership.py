"""How a node gets its name, and what it leaves behind."""

from __future__ import annotations

import logging

from wsgw import ids
from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.registry_scripts import CLAIM, ENROL, LEAVE, LEFT

log = logging.getLogger("wsgw.cluster")

#: Leases, books and the list of nodes outlive any weekend on which a whole cluster stands still, and end some day.
EXPIRY_MS = 7 * 24 * 3600 * 1000
_NAMES_TRIED = 64


async def claim(link: Link, keys: Keys, token: str) -> str:
    """A name that no node has, and none had whose book or whose fall is still known. Raises StoreUnavailable."""
    value = f"{token} 0"
    for _ in range(_NAMES_TRIED):
        node = ids.node_name()
        if not await link.run(ENROL, [keys.nodes], [node, value]):
            continue
        claimed = await link.run(CLAIM, keys.of_node(node), [value, EXPIRY_MS])
        if claimed == 1:
            return node
        if claimed == 0:
            await link.send("HDEL", keys.nodes, node)
        else:
            # A book that no entry leads to: now one does, and somebody takes it over.
            await link.send("HSET", keys.nodes, node, has_left(token))
    raise StoreUnavailable("no free name for this node was found in Redis")


async def leave(link: Link, keys: Keys, node: str, token: str) -> None:
    """End `node`. If its book still says anything, whoever sees it first takes it over."""
    lease, _, _, open_, owed = keys.of_node(node)
    try:
        nothing_owed = await link.run(LEAVE, [lease, open_, owed], [token, has_left(token), EXPIRY_MS])
        if nothing_owed == 1:
            await link.send("HDEL", keys.nodes, node)
        elif nothing_owed == 0:
            await link.send("HSET", keys.nodes, node, has_left(token))
    except StoreUnavailable as error:
        log.warning("node %s left without telling: %s; others find its lease run out", node, error)


def has_left(token: str) -> bytes:
    """The value, of a lease and in `nodes`, of a node whose book waits for whoever comes first."""
    return b"%b %b" % (token.encode(), LEFT)
