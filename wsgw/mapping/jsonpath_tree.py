"""The parts of a parsed JSONPath: segments, and the tests of its filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    at: int


@dataclass(frozen=True, slots=True)
class Keys:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Indexes:
    at: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    start: int | None
    stop: int | None


@dataclass(frozen=True, slots=True)
class Wildcard:
    pass


@dataclass(frozen=True, slots=True)
class Descent:
    pass


@dataclass(frozen=True, slots=True)
class Function:
    name: str


@dataclass(frozen=True, slots=True)
class Filter:
    test: Test


Segment = Key | Index | Keys | Indexes | Slice | Wildcard | Descent | Function | Filter


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, its flags already written into it."""

    text: str


@dataclass(frozen=True, slots=True)
class SubPath:
    """A path inside a filter, from the tested value (`@`) or from the document (`$`)."""

    from_root: bool
    segments: tuple[Segment, ...]


Operand = Literal | Pattern | SubPath


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Exists:
    operand: Operand


@dataclass(frozen=True, slots=True)
class Not:
    test: Test


@dataclass(frozen=True, slots=True)
class Every:
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Either:
    tests: tuple[Test, ...]


Test = Compare | Exists | Not | Every | Either
