"""Arithmetic and comparison, with Java's results: whole numbers divide to whole numbers, floats stay floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_DOWN, Context, Decimal
from typing import Any, TypeGuard

from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.values import LISTS, NESTING, NUMBERS, Entry, Number

_CONTEXT = Context(prec=400, rounding=ROUND_HALF_DOWN, traps=[])
_BITS = 8192


def _is_number(value: Any) -> TypeGuard[Number]:
    return value.__class__ in NUMBERS  # not isinstance: a bool is none here


def _decimal(value: Number) -> Decimal:
    return Decimal(repr(value)) if value.__class__ is float else Decimal(value)


def _exact(left: Number, right: Number) -> bool:
    """Whether the two are computed as BigDecimals: one is, or a BigInteger meets a Double."""
    if left.__class__ is Decimal or right.__class__ is Decimal:
        return not any(value.__class__ is float and not math.isfinite(value) for value in (left, right))
    if left.__class__ is right.__class__:
        return False
    return any(value.__class__ is int and int(value).bit_length() > 63 for value in (left, right))


def _divide(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _divide_exactly(left: Decimal, right: Decimal) -> Decimal:
    scale = left.as_tuple().exponent
    return _CONTEXT.quantize(_CONTEXT.divide(left, right), Decimal((0, (1,), int(scale))))


_WHOLE: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
    "%": lambda left, right: left - right * _divide(left, right),
}
_FLOATING: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "%": lambda left, right: math.fmod(left, right) if math.isfinite(left) else math.nan,
}
_EXACT: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _CONTEXT.add,
    "-": _CONTEXT.subtract,
    "*": _CONTEXT.multiply,
    "/": _divide_exactly,
    "%": _CONTEXT.remainder,
}


def compute(operator: str, left: Any, right: Any) -> Number | None:
    """`left operator right`; None where one is no number, or for a division by zero."""
    if not (_is_number(left) and _is_number(right)):
        return None
    if operator in "/%" and right == 0:
        return None
    if left.__class__ is int and right.__class__ is int:
        if left.bit_length() + right.bit_length() > _BITS:
            raise TemplateRuntimeError("a number has too many digits")
        return _WHOLE[operator](left, right)
    if _exact(left, right):
        result = _EXACT[operator](_decimal(left), _decimal(right))
        return result if result.is_finite() else None
    try:
        return _FLOATING[operator](float(left), float(right))
    except OverflowError:
        return math.inf if (left < 0) == (right < 0) else -math.inf


def ordered(operator: str, left: Any, right: Any) -> bool:
    """`left operator right` for < <= > >=; false where one is no number."""
    if not (_is_number(left) and _is_number(right)):
        return False
    if operator == "<":
        return bool(left < right)
    if operator == "<=":
        return bool(left <= right)
    if operator == ">":
        return bool(left > right)
    return bool(left >= right)


def equals(left: Any, right: Any, spend: Callable[[int], None], depth: int = 0) -> bool:
    """Java's `left.equals(right)`: types count, so neither 1 and 1.0 nor 1 and true are equal.

    spend: told of the work done, and raises where it is too much
    """
    spend(1)
    if depth > NESTING:
        raise TemplateRuntimeError("a compared value is nested too deeply")
    kind = left.__class__
    if kind in LISTS and right.__class__ in LISTS:
        return len(left) == len(right) and all(
            equals(one, other, spend, depth + 1) for one, other in zip(left, right, strict=True)
        )
    if kind is not right.__class__:
        return False
    if kind is dict:
        return len(left) == len(right) and all(
            key in right and equals(value, right[key], spend, depth + 1) for key, value in left.items()
        )
    if kind is Entry:
        return equals(left.key, right.key, spend, depth + 1) and equals(left.value, right.value, spend, depth + 1)
    return bool(left is right or left == right)
