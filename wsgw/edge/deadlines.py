"""One timer for all connections: a wheel of sets, swept by the node.

A timer per connection would cost memory and a heap entry each; a connection here costs its place in one set.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Protocol


class Timed(Protocol):
    """What can stand in the wheel. `slice` is the wheel's: where it stands, -1 for nowhere."""

    slice: int


class Wheel:
    """Things with a deadline each, found again when it has passed, at most one `tick` (seconds) late."""

    __slots__ = ("_slices", "_tick")

    def __init__(self, tick: float = 0.25) -> None:
        self._tick = tick
        self._slices: dict[int, set[Timed]] = {}

    def put(self, timed: Timed, deadline: float) -> None:
        """Stand `timed` at `deadline` (seconds of the node's clock), instead of where it stood."""
        slice_ = ceil(deadline / self._tick)
        if timed.slice == slice_:
            return
        self.drop(timed)
        timed.slice = slice_
        self._slices.setdefault(slice_, set()).add(timed)

    def hasten(self, timed: Timed, deadline: float) -> None:
        """As `put`, unless `timed` stands at an earlier place already."""
        if timed.slice == -1 or timed.slice * self._tick > deadline:
            self.put(timed, deadline)

    def drop(self, timed: Timed) -> None:
        """Forget `timed`."""
        standing = self._slices.get(timed.slice)
        if standing is not None:
            standing.discard(timed)
            if not standing:
                del self._slices[timed.slice]
        timed.slice = -1

    def due(self, now: float) -> Iterator[Timed]:
        """Take out, one by one, whatever has a deadline at or before `now`."""
        for slice_ in sorted(key for key in self._slices if key * self._tick <= now):
            for timed in self._slices.pop(slice_):
                timed.slice = -1
                yield timed
