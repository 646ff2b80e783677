"""A histogram of durations in logarithmic buckets: any range, an error below 1 %, a few hundred counters at most."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

_BITS = 7
_LINEAR = 1 << _BITS


def bucket(microseconds: int) -> int:
    """The bucket of a value ≥ 0: exact below 128, then 128 buckets per power of two."""
    shift = microseconds.bit_length() - _BITS - 1
    return microseconds if shift <= 0 else (shift << _BITS) + (microseconds >> shift)


def upper(index: int) -> int:
    """The largest value, in microseconds, that `bucket` puts into `index`."""
    shift = max(0, (index >> _BITS) - 1)
    return ((index - (shift << _BITS) + 1) << shift) - 1


class Histogram(msgspec.Struct):
    """Counts of durations. Takes and gives seconds; keeps whole microseconds, negative durations as 0."""

    counts: dict[int, int] = {}
    count: int = 0
    total: int = 0
    longest: int = 0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        value = max(0, int(seconds * 1e6))
        index = bucket(value)
        self.counts[index] = self.counts.get(index, 0) + 1
        self.count += 1
        self.total += value
        self.longest = max(self.longest, value)

    def merge(self, others: Iterable[Histogram]) -> Histogram:
        """Add the counts of `others` to this one; gives itself."""
        for other in others:
            for index, count in other.counts.items():
                self.counts[index] = self.counts.get(index, 0) + count
            self.count += other.count
            self.total += other.total
            self.longest = max(self.longest, other.longest)
        return self

    def quantile(self, fraction: float) -> float:
        """The duration, in seconds, that `fraction` of all do not exceed, at most 1/128 too long; 0 if empty."""
        rank = max(1, math.ceil(fraction * self.count))
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= rank:
                return min(upper(index), self.longest) / 1e6
        return 0.0

    def mean(self) -> float:
        """The mean duration in seconds; 0 if empty."""
        return self.total / self.count / 1e6 if self.count else 0.0
