"""Texts of IAM policies that match other texts: `*`, `?` and policy variables.

`*` stands for any run of characters, slashes and colons included, `?` for exactly one. `${key}` is replaced from the
request's context, `${key, 'default'}` has a value where the context has none, and `${*}`, `${?}`, `${$}` are those
characters themselves. What a variable brings in is never a wildcard.
Source: IAM User Guide, "IAM JSON policy elements: Resource" and "Variables and tags".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import partial
from operator import eq
from typing import Final, NamedTuple

Matcher = Callable[[str], bool]


class Wild(Enum):
    """A wildcard of a pattern."""

    ONE = "?"
    MANY = "*"


class Variable(NamedTuple):
    """A policy variable: the context key in lower case, and what stands in where the context has no value."""

    key: str
    default: str | None


Piece = str | Wild | Variable
Resolved = str | Wild

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_NAMED: Final = re.compile(r"\s*([^,'{}\s][^,'{}]*?)\s*(?:,\s*'([^']*)'\s*)?")
_SPECIAL: Final = frozenset("*?$")


class Context:
    """What is known of a request: condition keys, whatever their case, and their values in order."""

    __slots__ = ("_given", "_values")

    def __init__(self, given: Mapping[str, str | Sequence[str]]) -> None:
        self._given = given
        self._values: dict[str, tuple[str, ...]] | None = None

    def values(self, key: str) -> tuple[str, ...]:
        """The values of `key` (lower case); empty where the context has none."""
        # Folded at first use: most policies never look.
        if self._values is None:
            self._values = {
                name.lower(): (value,) if isinstance(value, str) else tuple(value)
                for name, value in self._given.items()
            }
        return self._values.get(key, ())

    def single(self, key: str) -> str | None:
        """The value of `key` if it has exactly one: no other can stand in a pattern."""
        values = self.values(key)
        return values[0] if len(values) == 1 else None


class Pattern:
    """One pattern of a policy. `fold` ignores case; `wildcards` and `variables` say whether those have a meaning.

    `fixed` is its test, None where a variable makes that depend on the request.
    """

    __slots__ = ("_fold", "_pieces", "fixed")

    def __init__(self, text: str, *, variables: bool, wildcards: bool = True, fold: bool = False) -> None:
        """Raises ValueError where a variable is malformed."""
        self._fold = fold
        self._pieces = pieces_of(text, variables=variables, wildcards=wildcards)
        resolved = resolve(self._pieces, None)
        self.fixed = None if resolved is None else matcher(resolved, fold=fold)

    def ready(self, context: Context) -> Matcher | None:
        """The test that this pattern is for one request; None if a variable of it has no value there."""
        if self.fixed is not None:
            return self.fixed
        resolved = resolve(self._pieces, context)
        return None if resolved is None else matcher(resolved, fold=self._fold)


def pieces_of(text: str, *, variables: bool, wildcards: bool) -> tuple[Piece, ...]:
    """`text` taken apart. Raises ValueError where a variable is malformed."""
    if not variables:
        return tuple(_plain(text, wildcards))
    pieces: list[Piece] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        pieces += _plain(text[at : found.start()], wildcards)
        pieces.append(_variable(found[1]))
        at = found.end()
    if "${" in text[at:]:
        raise ValueError("a policy variable has no closing brace")
    return (*pieces, *_plain(text[at:], wildcards))


def _plain(text: str, wildcards: bool) -> Iterable[Resolved]:
    if not wildcards:
        return [text] if text else []
    return [Wild(part) if part in ("*", "?") else part for part in re.split(r"([*?])", text) if part]


def _variable(inner: str) -> str | Variable:
    if inner in _SPECIAL:
        return inner
    named = _NAMED.fullmatch(inner)
    if named is None:
        raise ValueError(f"${{{inner}}} is no policy variable")
    return Variable(named[1].lower(), named[2])


def resolve(pieces: Iterable[Piece], context: Context | None) -> list[Resolved] | None:
    """`pieces` with variables replaced; None if one has no value, or if there is one and no context is given."""
    resolved: list[Resolved] = []
    for piece in pieces:
        if not isinstance(piece, Variable):
            resolved.append(piece)
            continue
        if context is None:
            return None
        value = context.single(piece.key)
        value = piece.default if value is None else value
        if value is None:
            return None
        resolved.append(value)
    return resolved


def matcher(pieces: Iterable[Resolved], *, fold: bool = False) -> Matcher:
    """A test for whole texts. It never backtracks: at worst its time is their length times the longest segment's."""
    runs: list[list[Resolved]] = [[]]
    for piece in pieces:
        if piece is Wild.MANY:
            runs.append([])
        else:
            runs[-1].append(piece.lower() if fold and isinstance(piece, str) else piece)
    segments = [_segment(run) for run in runs]
    if len(segments) > 1:
        test: Matcher = partial(_glob, segments[0], [s for s in segments[1:-1] if s.length], segments[-1])
    elif isinstance(segments[0], _Literal):
        test = partial(eq, segments[0].text)
    else:
        test = partial(_whole, segments[0])
    return partial(_folded, test) if fold else test


class _Literal:
    """A run of characters that stand for themselves."""

    __slots__ = ("length", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.length = len(text)

    def at(self, text: str, start: int) -> bool:
        return text.startswith(self.text, start)

    def find(self, text: str, start: int, end: int) -> int:
        return text.find(self.text, start, end)


class _Holed:
    """A run with `?` in it. Its length is fixed, so the regular expression has nothing to backtrack into."""

    __slots__ = ("_regex", "length")

    def __init__(self, run: Sequence[Resolved]) -> None:
        self.length = sum(len(piece) if isinstance(piece, str) else 1 for piece in run)
        parts = (re.escape(piece) if isinstance(piece, str) else "." for piece in run)
        self._regex = re.compile("".join(parts), re.DOTALL)

    def at(self, text: str, start: int) -> bool:
        return self._regex.match(text, start) is not None

    def find(self, text: str, start: int, end: int) -> int:
        found = self._regex.search(text, start, end)
        return -1 if found is None else found.start()


def _segment(run: Sequence[Resolved]) -> _Literal | _Holed:
    if any(piece is Wild.ONE for piece in run):
        return _Holed(run)
    return _Literal("".join(piece for piece in run if isinstance(piece, str)))


def _whole(segment: _Holed, text: str) -> bool:
    return len(text) == segment.length and segment.at(text, 0)


def _folded(test: Matcher, text: str) -> bool:
    return test(text.lower())


def _glob(first: _Literal | _Holed, middle: Sequence[_Literal | _Holed], last: _Literal | _Holed, text: str) -> bool:
    """Whether `text` begins with `first`, ends with `last` and holds `middle` between, in order and apart."""
    at, end = first.length, len(text) - last.length
    if at > end or not first.at(text, 0) or not last.at(text, end):
        return False
    for segment in middle:
        # The leftmost place leaves the most for those that follow, so no other need be tried.
        found = segment.find(text, at, end)
        if found < 0:
            return False
        at = found + segment.length
    return True
