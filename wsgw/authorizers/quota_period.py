"""The calendar periods of a quota, in UTC: which one a moment is in, what it is called, and when it ends.

A week begins on Monday, as ISO 8601 has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from wsgw.definitions.usage import Period

_DAY = timedelta(days=1)


class QuotaPeriod(NamedTuple):
    """One period, named as counters are: 2026-11-21, 2026-W47 or 2026-11. `begins` and `ends` are epoch seconds."""

    name: str
    begins: float
    ends: float


def period_at(period: Period, now: float) -> QuotaPeriod:
    """The `period` that the moment `now`, in epoch seconds, is in."""
    return period_of(period, day_at(now))


def period_of(period: Period, day: date) -> QuotaPeriod:
    """The `period` that has `day` in it."""
    first = first_day(period, day)
    if period == "DAY":
        name, after = first.isoformat(), first + _DAY
    elif period == "WEEK":
        year, week, _ = first.isocalendar()
        name, after = f"{year}-W{week:02}", first + 7 * _DAY
    else:
        name, after = f"{first:%Y-%m}", (first + 31 * _DAY).replace(day=1)
    return QuotaPeriod(name, _midnight(first), _midnight(after))


def first_day(period: Period, day: date) -> date:
    """The day on which the `period` begins that has `day` in it."""
    if period == "DAY":
        return day
    return day - timedelta(days=day.weekday()) if period == "WEEK" else day.replace(day=1)


def day_at(now: float) -> date:
    """The day that the moment `now` is in."""
    return datetime.fromtimestamp(now, UTC).date()


def days(first: date, last: date) -> Iterator[date]:
    """Every day from `first` to `last`, both included."""
    for number in range((last - first).days + 1):
        yield first + number * _DAY


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()
