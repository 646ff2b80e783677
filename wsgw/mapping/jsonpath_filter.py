"""The filters of a JSONPath, `[?(…)]`, as closures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from wsgw.mapping.expressions import expression
from wsgw.mapping.jsonpath_operators import MISSING, OPERATORS, as_text
from wsgw.mapping.jsonpath_parse import JsonPathError
from wsgw.mapping.jsonpath_run import Run
from wsgw.mapping.jsonpath_tree import (
    Compare,
    Either,
    Every,
    Exists,
    Literal,
    Not,
    Operand,
    Pattern,
    Segment,
    SubPath,
    Test,
)

Predicate = Callable[[Any, Run], bool]
Reader = Callable[[Any, Run], Any]

#: Operators that look at each item of one side for each item of the other.
_SETS: Final = frozenset({"in", "nin", "subsetof", "anyof", "noneof", "contains", "all"})


class SubPlan(Protocol):
    """A path inside a filter, ready to run."""

    @property
    def definite(self) -> bool: ...

    def value(self, start: Any, run: Run) -> Any: ...


Planner = Callable[[tuple[Segment, ...]], SubPlan]


def predicate(test: Test, plan: Planner) -> Predicate:
    """Whether a value passes `test`. Raises JsonPathError for what only shows when it is compiled."""
    match test:
        case Not(inner):
            negated = predicate(inner, plan)
            return lambda value, run: not negated(value, run)
        case Every(tests):
            needed = tuple(predicate(inner, plan) for inner in tests)
            return lambda value, run: all(holds(value, run) for holds in needed)
        case Either(tests):
            choices = tuple(predicate(inner, plan) for inner in tests)
            return lambda value, run: any(holds(value, run) for holds in choices)
        case Exists(operand):
            read, nothing = _operand(operand, plan), _nothing(operand, plan)
            # Jayway 2.0: null is as good as not there, false is there.
            return lambda value, run: read(value, run) not in nothing
        case Compare("=~", left, Pattern(text)):
            return _matches(_operand(left, plan), text)
        case Compare(operator, left, right):
            return _comparison(operator, _operand(left, plan), _operand(right, plan))


def _comparison(operator: str, read_left: Reader, read_right: Reader) -> Predicate:
    compare = OPERATORS[operator]
    if operator not in _SETS:
        return lambda value, run: compare(read_left(value, run), read_right(value, run))

    def holds(value: Any, run: Run) -> bool:
        left, right = read_left(value, run), read_right(value, run)
        run.spend(_items(left) * _items(right))
        return compare(left, right)

    return holds


def _items(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1


def _nothing(operand: Operand, plan: Planner) -> tuple[Any, ...]:
    if isinstance(operand, SubPath) and not plan(operand.segments).definite:
        return (MISSING, None, [])
    return (MISSING, None)


def _matches(read: Reader, pattern: str) -> Predicate:
    try:
        compiled = expression(pattern)
    except ValueError as error:
        raise JsonPathError(f"/{pattern}/ is no regular expression of RE2: {error}") from error

    def holds(value: Any, run: Run) -> bool:
        text = as_text(read(value, run))
        if text is None:
            return False
        run.spend(len(text) >> 6)
        try:
            return compiled.fullmatch(text) is not None
        except UnicodeEncodeError:  # a lone surrogate
            return False

    return holds


def _operand(operand: Operand, plan: Planner) -> Reader:
    match operand:
        case Literal(constant):
            return lambda value, run: constant
        case SubPath(from_root, segments):
            path = plan(segments)
            if from_root:
                return lambda value, run: path.value(run.root, run)
            return path.value
        case Pattern(text):
            raise JsonPathError(f"/{text}/ can only stand after =~")
