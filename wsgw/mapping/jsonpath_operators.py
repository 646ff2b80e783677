"""What the operators and functions of a JSONPath compute, on values as `json.loads` gives them.

Numbers and strings that look like one compare as numbers, as Jayway JsonPath 2.0 does; what is missing equals nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

#: The value of a path that leads nowhere.
MISSING: Final[Any] = type("Missing", (), {"__repr__": lambda _self: "MISSING"})()

_NUMBER: Final = re.compile(r"\s{0,10}[+-]?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,3})?\s{0,10}")


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_number(value: Any) -> Any:
    """The number that `value` is or spells; None for anything else."""
    if is_number(value):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return None


def equal(left: Any, right: Any) -> bool:
    if left is MISSING or right is MISSING:
        return False
    if isinstance(left, bool) or isinstance(right, bool):
        # Jayway 2.0 compares the texts: true equals 'true'. Python's True == 1 must not show.
        return as_text(left) == as_text(right) if _both_simple(left, right) else False
    if is_number(left) != is_number(right):
        left, right = _as_number(left), _as_number(right)
        return left is not None and right is not None and bool(left == right)
    return bool(left == right)


def _both_simple(left: Any, right: Any) -> bool:
    return isinstance(left, (bool, str)) and isinstance(right, (bool, str))


def as_text(value: Any) -> str | None:
    """A string, number or boolean as text; None for what has no plain text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if is_number(value) else None


def _different(left: Any, right: Any) -> bool:
    return left is not MISSING and right is not MISSING and not equal(left, right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            numbers = _as_number(left), _as_number(right)
            return compare(*numbers) if None not in numbers else compare(left, right)
        left, right = _as_number(left), _as_number(right)
        return left is not None and right is not None and compare(left, right)

    return test


def _one_of(left: Any, right: Any) -> bool:
    return isinstance(right, list) and any(equal(left, item) for item in right)


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return _one_of(right, left)


def _subset(left: Any, right: Any) -> bool:
    return isinstance(left, list) and isinstance(right, list) and all(_one_of(item, right) for item in left)


def _any_of(left: Any, right: Any) -> bool:
    return isinstance(left, list) and any(_one_of(item, right) for item in left)


def _size(left: Any, right: Any) -> bool:
    return isinstance(left, (list, dict, str)) and equal(len(left), right)


def _empty(left: Any, right: Any) -> bool:
    return isinstance(left, (list, dict, str)) and (not left) is right


OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": equal,
    "===": equal,
    "!=": _different,
    "!==": _different,
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _one_of,
    "nin": lambda left, right: not _one_of(left, right),
    "subsetof": _subset,
    "anyof": _any_of,
    "noneof": lambda left, right: not _any_of(left, right),
    "contains": _contains,
    "all": lambda left, right: isinstance(left, list) and _subset(right, left),
    "size": _size,
    "empty": _empty,
}


def _numbers(value: Any) -> list[Any]:
    return [item for item in value if is_number(item)] if isinstance(value, list) else []


def _aggregate(compute: Callable[[list[Any]], float]) -> Callable[[Any], Any]:
    def function(value: Any) -> Any:
        numbers = _numbers(value)
        try:
            return float(compute(numbers)) if numbers else MISSING
        except OverflowError:
            return MISSING

    return function


def _deviation(numbers: list[Any]) -> float:
    mean = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers))


#: Aggregates give doubles and leave out what is no number; there is no aggregate of nothing.
FUNCTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "length": lambda value: len(value) if isinstance(value, (list, dict)) else None,
    "keys": lambda value: list(value) if isinstance(value, dict) else None,
    "first": lambda value: value[0] if isinstance(value, list) and value else MISSING,
    "last": lambda value: value[-1] if isinstance(value, list) and value else MISSING,
    "sum": _aggregate(math.fsum),
    "min": _aggregate(min),
    "max": _aggregate(max),
    "avg": _aggregate(lambda numbers: math.fsum(numbers) / len(numbers)),
    "stddev": _aggregate(_deviation),
}
