"""Calendar periods in UTC: days, weeks from Monday on, months."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.authorizers.quota_period import day_at, days, first_day, period_at, period_of

NAMED = [
    ("DAY", "2026-11-21", "2026-11-21", "2026-11-21", "2026-11-22"),
    ("DAY", "2028-02-29", "2028-02-29", "2028-02-29", "2028-03-01"),
    ("WEEK", "2026-11-21", "2026-W47", "2026-11-16", "2026-11-23"),
    ("WEEK", "2026-11-22", "2026-W47", "2026-11-16", "2026-11-23"),
    ("WEEK", "2027-01-01", "2026-W53", "2026-12-28", "2027-01-04"),
    ("MONTH", "2026-11-21", "2026-11", "2026-11-01", "2026-12-01"),
    ("MONTH", "2026-12-31", "2026-12", "2026-12-01", "2027-01-01"),
    ("MONTH", "2027-02-28", "2027-02", "2027-02-01", "2027-03-01"),
]
PERIODS = st.sampled_from(["DAY", "WEEK", "MONTH"])
MOMENTS = st.integers(0, 4_102_444_800)


def midnight(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(("period", "day", "name", "begins", "ends"), NAMED)
def test_a_period_has_a_name_a_beginning_and_an_end(period: Any, day: str, name: str, begins: str, ends: str):
    assert period_of(period, date.fromisoformat(day)) == (name, midnight(begins), midnight(ends))


@given(PERIODS, MOMENTS)
def test_a_moment_is_in_its_period_and_the_next_begins_where_it_ends(period: Any, now: int):
    one = period_at(period, now)
    assert one.begins <= now < one.ends
    assert period_at(period, one.begins) == one
    following = period_at(period, one.ends)
    assert (following.begins, following.name != one.name) == (one.ends, True)


@given(PERIODS, MOMENTS)
def test_a_periods_first_day_is_its_beginning(period: Any, now: int):
    first = first_day(period, day_at(now))
    assert midnight(first.isoformat()) == period_at(period, now).begins
    assert [day for day in days(first, day_at(now)) if period_of(period, day).name != period_at(period, now).name] == []
