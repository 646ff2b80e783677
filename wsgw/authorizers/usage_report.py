"""What keys have used of a plan, day by day, as GetUsage shows it: for each day what was used, and what was left.

Source: API reference, GetUsage and UpdateUsage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from wsgw.authorizers.access import Access
from wsgw.authorizers.quota_period import day_at, days, first_day, period_of
from wsgw.authorizers.usage_counts import counter_of, days_of
from wsgw.definitions.usage import QuotaSettings, UsagePlan
from wsgw.errors import StoreUnavailable

#: How many days GetUsage shows at most.
MOST_DAYS = 90
#: How many counters are asked for at once.
_AT_ONCE = 1_000

#: By key id: for each day used and remaining, which is None where the plan has no quota.
Usage = dict[str, list[tuple[int, int | None]]]


async def usage_of(access: Access, plan: UsagePlan, key_ids: Sequence[str], first: date, last: date) -> Usage:
    """What these keys have used from `first` to `last`, both included. Raises StoreUnavailable.

    Today's `remaining` is the quota's own. That of an earlier day is what the days of its period leave, with what was
    granted, or taken off as an offset, at any time in that period.
    """
    begin = first if plan.quota is None else first_day(plan.quota.period, first)
    used = {
        day: await _sums(access, [days_of(plan.id, key) for key in key_ids], day.isoformat())
        for day in days(begin, last)
    }
    if plan.quota is None:
        return {key: [(used[day][days_of(plan.id, key)], None) for day in days(first, last)] for key in key_ids}
    counters = [counter_of(plan.id, key) for key in key_ids]
    periods = {period_of(plan.quota.period, day).name for day in days(begin, last)}
    granted = {name: await _sums(access, [f"{counter}/granted" for counter in counters], name) for name in periods}
    today = day_at(access.now())
    current = await _sums(access, counters, period_of(plan.quota.period, today).name) if first <= today <= last else {}
    report: Usage = {}
    for key, counter in zip(key_ids, counters, strict=True):
        by_day = {day: sums[days_of(plan.id, key)] for day, sums in used.items()}
        grants = {name: sums[f"{counter}/granted"] for name, sums in granted.items()}
        rows = [row for row in _rows(plan.quota, by_day, grants) if row[0] >= first]
        report[key] = [
            (number, max(0, plan.quota.limit - current[counter]) if day == today else left)
            for day, number, left in rows
        ]
    return report


def _rows(quota: QuotaSettings, used: dict[date, int], granted: dict[str, int]) -> Iterator[tuple[date, int, int]]:
    """Each day with what was used on it and what its period then had left. `used` begins with a period's first."""
    name, so_far = "", 0
    for day, number in used.items():
        period = period_of(quota.period, day).name
        so_far = number if period != name else so_far + number
        name = period
        yield day, number, max(0, quota.limit + granted[period] - so_far)


async def _sums(access: Access, counters: Sequence[str], period: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for start in range(0, len(counters), _AT_ONCE):
        sums |= await access.quota.used(counters[start : start + _AT_ONCE], period)
    return sums


async def extend(access: Access, plan: UsagePlan, key_id: str, remaining: int) -> tuple[int, int]:
    """Have `remaining` requests left in the current period; gives what was used today, and what is left.

    Raises StoreUnavailable, and ValueError where the plan has no quota.
    """
    if plan.quota is None:
        raise ValueError(f"the usage plan {plan.id} has no quota: nothing runs out")
    await access.usage.grant(key_id, plan.id, plan.quota, remaining)
    today = day_at(access.now())
    await flushed(access)
    ((used, left),) = (await usage_of(access, plan, [key_id], today, today))[key_id]
    return used, remaining if left is None else left


async def flushed(access: Access) -> None:
    """Have what this node has counted written first, as far as the store takes it."""
    try:
        await access.usage.flush()
    except StoreUnavailable:
        # It is kept for later; whoever reads now sees that the store is away.
        return


def range_of(start: str, end: str, today: date) -> tuple[date, date]:
    """The days that `YYYY-MM-DD` texts name; "" is today. Raises ValueError with what is wrong."""
    first, last = (_day(name, text) if text else today for name, text in (("startDate", start), ("endDate", end)))
    if first > last:
        raise ValueError("startDate is after endDate")
    if last - first >= timedelta(MOST_DAYS):
        raise ValueError(f"no more than {MOST_DAYS} days can be asked for at once")
    return first, last


def _day(name: str, text: str) -> date:
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}: expected a day as YYYY-MM-DD") from None
