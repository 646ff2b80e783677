"""Header lines with a look-up by name, and what is made of them once: callers and backends repeat themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class HeaderFields:
    """The header lines of a request, and a look-up by name. Callers that repeat themselves share one object.

    `lines` in order, names with their case, values as Latin-1. `size`: bytes of all lines. `sound` is set by DataPlane
    once it has found nothing wrong with them. `made`: what others have made of these lines, under a key of their own,
    beside whatever else it depends on: with the next request of a caller that repeats itself it is there already.
    """

    __slots__ = ("_first", "_repeated", "lines", "made", "size", "sound")

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        self.lines = lines
        self.sound = False
        self.made: dict[str, Any] = {}
        first: dict[str, str] = {}
        repeated: dict[str, list[str]] | None = None
        size = 4 * len(lines)
        for name, value in lines:
            size += len(name) + len(value)
            lower = name.lower()
            if lower not in first:
                first[lower] = value
            else:
                if repeated is None:
                    repeated = {}
                repeated.setdefault(lower, [first[lower]]).append(value)
        self.size = size
        self._first = first
        self._repeated = repeated

    def has(self, name: str) -> bool:
        """Whether the header `name` (given in lower case) was sent."""
        return name in self._first

    def first(self, name: str) -> str | None:
        """The first value of the header `name` (given in lower case), or None."""
        return self._first.get(name)

    def all(self, name: str) -> list[str]:
        """Every value of the header `name` (given in lower case), in order."""
        if self._repeated is not None and name in self._repeated:
            return self._repeated[name]
        return [self._first[name]] if name in self._first else []


class SharedHeaders(tuple[tuple[str, str], ...]):
    """Header lines that many answers have. `made`: what others have made of these lines and of nothing else."""

    made: dict[str, Any]

    def __new__(cls, lines: Iterable[tuple[str, str]]) -> SharedHeaders:
        shared = super().__new__(cls, lines)
        shared.made = {}
        return shared
