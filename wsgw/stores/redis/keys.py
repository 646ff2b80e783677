"""Every key and channel in Redis, in one place.

`{…}` is the part that Redis Cluster hashes: what one script touches together lies in one slot. The number is the
version of the layout: a gateway that lays things out differently uses another, and both can share a Redis.

| key | holds | owner, expiry |
|---|---|---|
| `nodes` (hash) | node name → token and beat | entries: their node, or who takes its book over; the key expires |
| `{node}:lease` (string) | the token of the process that is this node, and its beat | the node; expires |
| `{node}:fence` (string) | who took the book over | who took it; expires |
| `{node}:fallen` (string) | the last lease of a node that others held for dead: it cannot come back | expires |
| `{node}:open` (hash) | connection id → ConnectionRecord | the node; expires |
| `{node}:owed` (hash) | connection id → Departure | the node; expires |
| `throttle:{key}` | when the bucket is full again | expires when it is |
| `documents:{kind}` (hash), `revision` | what was stored | whoever stored it |
| `quota:{key}:period` | a sum | expires after the period |
| `once:{key}:name` | that an addition to one of these sums was made | expires |
| `cache:{group}` | the group's generation | expires with its last entry |
| `cache:{group}:digest` | a generation, and a value behind it | expires |
"""

from __future__ import annotations

LAYOUT = "1"


class Keys:
    """The keys of one cluster. `prefix` is the setting redis_prefix."""

    def __init__(self, prefix: str) -> None:
        self._begin = f"{prefix}:{LAYOUT}:"
        self.nodes = f"{self._begin}nodes"
        self.revision = f"{self._begin}{{documents}}:revision"
        self.announcements = f"{self._begin}announcements"

    def lease(self, node: str) -> str:
        return f"{self._begin}{{{node}}}:lease"

    def fence(self, node: str) -> str:
        return f"{self._begin}{{{node}}}:fence"

    def fallen(self, node: str) -> str:
        return f"{self._begin}{{{node}}}:fallen"

    def open(self, node: str) -> str:
        return f"{self._begin}{{{node}}}:open"

    def owed(self, node: str) -> str:
        return f"{self._begin}{{{node}}}:owed"

    def of_node(self, node: str) -> tuple[str, str, str, str, str]:
        """lease, fence, fallen, open, owed: in one slot."""
        return self.lease(node), self.fence(node), self.fallen(node), self.open(node), self.owed(node)

    def channel(self, node: str) -> str:
        """Where `node` listens for questions and answers."""
        return f"{self._begin}{{{node}}}:bus"

    def throttle(self, key: str) -> str:
        return f"{self._begin}throttle:{{{key}}}"

    def documents(self, kind: str) -> str:
        return f"{self._begin}{{documents}}:{kind}"

    def quota(self, key: str, period: str) -> str:
        return f"{self._begin}quota:{{{key}}}:{period}"

    def quota_once(self, key: str, name: str) -> str:
        return f"{self._begin}once:{{{key}}}:{name}"

    def generation(self, group: str) -> str:
        # Never empty in its braces, which would be no tag: all of a group lies in one slot.
        return f"{self._begin}{{cache:{group}}}"

    def cached(self, group: str, digest: str) -> str:
        return f"{self._begin}{{cache:{group}}}:{digest}"
