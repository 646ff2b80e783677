"""What deciding on callers needs and deployments leave alone: the keys in force, results and keys of issuers kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from wsgw.definitions.access import AccessKey
from wsgw.stores.base import Cache, Quota, Throttle

T = TypeVar("T")


class Access:
    """One for each node. `now` gives epoch seconds.

    `access_keys`: who may sign requests, by access key id; replaced as a whole by `admit`.
    """

    def __init__(self, cache: Cache, quota: Quota, buckets: Throttle, now: Callable[[], float]) -> None:
        self.cache = cache
        self.quota = quota
        self.buckets = buckets
        self.now = now
        self.access_keys: Mapping[str, AccessKey] = {}
        self._kept: dict[Hashable, Any] = {}

    def admit(self, keys: Iterable[AccessKey]) -> None:
        """From now on exactly `keys` may sign requests."""
        self.access_keys = {key.access_key_id: key for key in keys}

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave when `key` was first asked for: a deployment finds what the one before it has learnt."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found
