"""What API keys have used of their plans: the quota's counter, exact over all nodes, and a count for each day.

A quota is counted before a request goes on. The days, which GetUsage and bills show, are summed here and handed to the
store once a second, each sum under a name of its own: given twice, because its answer was lost, it counts once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from wsgw.authorizers.key_ring import Allowance
from wsgw.authorizers.quota_period import QuotaPeriod, period_at
from wsgw.definitions.usage import Period, QuotaSettings
from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Quota

log = logging.getLogger("wsgw")

#: How long days are kept: thirteen months of bills.
KEEP_DAYS = 400
_EVERY = 1.0
#: A counter is known for so long after its period: clocks differ.
_AFTER = 86_400.0
#: For how long a quota that was found used up is not asked for again: an extension takes effect after that.
_EXHAUSTED = 1.0
#: Of a flood of keys that have used up theirs, so many are remembered.
_MOST_EXHAUSTED = 10_000
#: How many counters are sent at once.
_AT_ONCE = 500


class Handful(NamedTuple):
    """Sums that go to the store under one name, each by its counter and day."""

    name: str
    sums: dict[tuple[str, str], int]


class UsageCounts:
    """One for each node; nodes share the sums of `quota`. `now` gives epoch seconds."""

    def __init__(self, quota: Quota, now: Callable[[], float]) -> None:
        self._quota = quota
        self._now = now
        self._periods: dict[Period, QuotaPeriod] = {}
        self._day, self._day_ends = "", 0.0
        self._exhausted: dict[tuple[str, str], float] = {}
        self._sums: dict[tuple[str, str], int] = {}
        self._owed = Handful("", {})
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        #: One at a time hands over: each takes out of `_owed` what the store has taken, and fills it anew.
        self._handing_over = asyncio.Lock()

    # ---- quotas

    async def spend(self, key_id: str, plan: str, quota: QuotaSettings) -> bool:
        """Count one request of a key against its quota; False if that is used up. Raises StoreUnavailable."""
        now = self._now()
        period = self._period(quota.period, now)
        counter = counter_of(plan, key_id)
        if self._exhausted and now < self._exhausted.get((counter, period.name), 0.0):
            return False
        used = await self._quota.add(counter, period.name, 1, period.ends + _AFTER)
        if used == 1 and quota.offset:
            used += await self._offset(counter, period, quota.offset)
        if used <= quota.limit:
            return True
        if len(self._exhausted) >= _MOST_EXHAUSTED:
            self._exhausted.clear()
        self._exhausted[counter, period.name] = now + _EXHAUSTED
        return False

    async def _offset(self, counter: str, period: QuotaPeriod, offset: int) -> int:
        """What is taken off a key's first period. Only who has counted the first request of a period asks."""
        if await self._quota.add(f"{counter}/periods", "all", 1, period.ends + KEEP_DAYS * 86_400.0) > 1:
            return 0
        await self._quota.add(f"{counter}/granted", period.name, -offset, period.ends + KEEP_DAYS * 86_400.0)
        await self._quota.add(counter, period.name, offset, period.ends + _AFTER)
        return offset

    async def grant(self, key_id: str, plan: str, quota: QuotaSettings, remaining: int) -> None:
        """Have `remaining` requests left of the current period, whatever was used. Raises StoreUnavailable."""
        period = self._period(quota.period, self._now())
        counter = counter_of(plan, key_id)
        used = (await self._quota.used([counter], period.name))[counter]
        more = quota.limit - used - remaining
        total = await self._quota.add(counter, period.name, more, period.ends + _AFTER)
        if total == more and quota.offset:
            # Nothing was used yet: the first request is not to take the offset off what was just granted.
            await self._quota.add(f"{counter}/periods", "all", 1, period.ends + KEEP_DAYS * 86_400.0)
        await self._quota.add(f"{counter}/granted", period.name, -more, period.ends + KEEP_DAYS * 86_400.0)
        self._exhausted.pop((counter, period.name), None)

    def _period(self, period: Period, now: float) -> QuotaPeriod:
        known = self._periods.get(period)
        if known is None or not known.begins <= now < known.ends:
            known = self._periods[period] = period_at(period, now)
            self._exhausted.clear()
        return known

    # ---- days

    def count(self, key_id: str, allowance: Allowance) -> None:
        """Count a request that was let in on this day."""
        now = self._now()
        if not self._day_ends - 86_400 <= now < self._day_ends:
            day = period_at("DAY", now)
            self._day, self._day_ends = day.name, day.ends
        name = (days_of(allowance.plan, key_id), self._day)
        self._sums[name] = self._sums.get(name, 0) + 1
        self._arm()

    @property
    def unwritten(self) -> int:
        """How many requests the store does not know of yet."""
        return sum(self._sums.values()) + sum(self._owed.sums.values())

    async def flush(self) -> None:
        """Hand over what was counted so far. Raises StoreUnavailable, and then keeps it for the next time."""
        self._disarm()
        try:
            await self._write()
        except StoreUnavailable:
            self._arm()
            raise

    async def close(self) -> None:
        """Hand over the rest; what cannot be is lost, and said."""
        try:
            await self.flush()
        except StoreUnavailable as error:
            log.error("usage of %d requests could not be written and is lost: %s", self.unwritten, error)
        self._disarm()

    def _arm(self) -> None:
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._due)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write_and_arm())

    async def _write_and_arm(self) -> None:
        try:
            await self._write()
        except StoreUnavailable as error:
            log.debug("usage is not written yet: %s", error)
        finally:
            self._writing = None
            if self._sums or self._owed.sums:
                self._arm()

    async def _write(self) -> None:
        async with self._handing_over:
            # First what is owed from before: as long as that is not taken, all else is summed, and does not grow.
            await self._hand_over(self._owed)
            self._owed, self._sums = Handful(secrets.token_hex(8), self._sums), {}
            await self._hand_over(self._owed)

    async def _hand_over(self, handful: Handful) -> None:
        """Whatever was taken is not in `handful` any more. Raises StoreUnavailable if anything was not."""
        every = list(handful.sums.items())
        for start in range(0, len(every), _AT_ONCE):
            some = every[start : start + _AT_ONCE]
            adds = [self._add(name, amount, handful.name) for name, amount in some]
            results = await asyncio.gather(*adds, return_exceptions=True)
            for (name, _), result in zip(some, results, strict=True):
                if not isinstance(result, BaseException):
                    del handful.sums[name]
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    def _add(self, name: tuple[str, str], amount: int, once: str) -> Awaitable[int]:
        counter, day = name
        return self._quota.add(counter, day, amount, self._now() + KEEP_DAYS * 86_400.0, once=once)


def counter_of(plan: str, key_id: str) -> str:
    """The name of the counter of a key's quota."""
    return f"plan/{plan}/{key_id}"


def days_of(plan: str, key_id: str) -> str:
    """The name of the counters of a key's days."""
    return f"usage/{plan}/{key_id}"
