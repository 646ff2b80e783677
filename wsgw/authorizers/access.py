"""What deciding on callers needs and deployments leave alone: the keys in force, results and keys of issuers kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from wsgw.authorizers.key_ring import KeyRing
from wsgw.authorizers.revoked import Revoked
from wsgw.authorizers.usage_counts import UsageCounts
from wsgw.definitions.access import AccessKey
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.stores.base import Cache, Quota, Throttle

T = TypeVar("T")


class Access:
    """One for each node. `now` gives epoch seconds, `ticks` seconds that never go back.

    `access_keys`: who may sign requests, by access key id; replaced as a whole by `admit`. `api_keys` and
    `usage_plans`, by id, and `key_ring`, which is made from both: replaced by `admit_keys`; `usage` counts requests.
    `revoked`: who of those that are known is refused nevertheless.
    """

    def __init__(
        self,
        cache: Cache,
        quota: Quota,
        buckets: Throttle,
        now: Callable[[], float],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cache = cache
        self.quota = quota
        self.buckets = buckets
        self.now = now
        self.ticks = ticks
        self.revoked = Revoked(now)
        self.access_keys: Mapping[str, AccessKey] = {}
        self.key_ring = KeyRing()
        self.api_keys: Mapping[str, ApiKey] = {}
        self.usage_plans: Mapping[str, UsagePlan] = {}
        self.usage = UsageCounts(quota, now)
        self._kept: dict[Hashable, Any] = {}
        self._shared: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    def admit(self, keys: Iterable[AccessKey]) -> None:
        """From now on exactly `keys` may sign requests."""
        self.access_keys = {key.access_key_id: key for key in keys}

    def admit_keys(self, keys: Iterable[ApiKey], plans: Iterable[UsagePlan]) -> None:
        """From now on exactly these API keys are good, for what `plans` say."""
        keys, plans = tuple(keys), tuple(plans)
        self.key_ring = KeyRing(keys, plans)
        self.api_keys = {key.id: key for key in keys}
        self.usage_plans = {plan.id: plan for plan in plans}

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave when `key` was first asked for: a deployment finds what the one before it has learnt."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """As `kept`, and forgotten when nothing uses it any more: definitions come and go."""
        found: T | None = self._shared.get(key)
        if found is None:
            found = self._shared[key] = make()
        return found

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work`, which raises nothing, beside requests. `close` ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End what was begun."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
