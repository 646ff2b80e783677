"""The stores' protocols: what callers may rely on, whichever store is behind."""

from __future__ import annotations

from typing import Protocol

from wsgw.definitions.access import ThrottleSettings


class Throttle(Protocol):
    """Token buckets, one per key, full when first used."""

    async def take(self, key: str, limit: ThrottleSettings) -> bool:
        """Take one token from the bucket `key`; False if it has none left.

        limit: `rate_limit` tokens come back a second, `burst_limit` is the most that a bucket holds.
        Raises StoreUnavailable. Source: developer guide, "Throttle requests to your REST APIs".
        """
        ...


class NodeThrottle(Protocol):
    """Token buckets of one node alone, for a caller that cannot wait."""

    def take_now(self, key: str, limit: ThrottleSettings) -> bool:
        """As Throttle.take, at once; raises nothing."""
        ...
