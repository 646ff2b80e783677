from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.cli.load.histogram import Histogram, bucket, upper

durations = st.lists(st.floats(min_value=0, max_value=1000, allow_nan=False), min_size=1, max_size=300)


def histogram(values: list[float]) -> Histogram:
    filled = Histogram()
    for value in values:
        filled.add(value)
    return filled


def exact(values: list[float], fraction: float) -> float:
    """The quantile of the whole microseconds that a histogram is given."""
    ordered = sorted(int(value * 1e6) for value in values)
    return ordered[max(1, math.ceil(fraction * len(ordered))) - 1] / 1e6


@given(durations, st.floats(min_value=0, max_value=1))
def test_a_quantile_is_the_exact_one_and_at_most_a_128th_more(values: list[float], fraction: float) -> None:
    wanted = exact(values, fraction)
    found = histogram(values).quantile(fraction)
    assert wanted <= found <= wanted * (1 + 1 / 128) + 1e-9


@given(st.integers(min_value=0, max_value=10**12))
def test_a_value_lies_in_its_bucket_and_in_no_other(value: int) -> None:
    index = bucket(value)
    assert upper(index) >= value
    assert index == 0 or upper(index - 1) < value


@given(durations, durations)
def test_merged_histograms_are_the_histogram_of_all(one: list[float], other: list[float]) -> None:
    assert histogram(one).merge([histogram(other)]) == histogram(one + other)


@given(durations)
def test_the_mean_and_the_longest_are_exact_to_the_microsecond(values: list[float]) -> None:
    filled = histogram(values)
    assert filled.longest == max(int(value * 1e6) for value in values)
    assert filled.mean() == pytest.approx(sum(values) / len(values), abs=1e-6)


def test_an_empty_histogram_says_zero() -> None:
    assert Histogram().quantile(0.99) == 0
    assert Histogram().mean() == 0


def test_a_clock_that_went_back_counts_as_zero() -> None:
    assert histogram([-0.5]).quantile(1) == 0
