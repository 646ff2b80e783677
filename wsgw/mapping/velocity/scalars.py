"""Integer, Long, Double, BigDecimal and Boolean, with the static methods that are called on any instance of them."""

from __future__ import annotations

import math
import re
from typing import Any

from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Frame
from wsgw.mapping.velocity.methods import Implementation, MethodTable, table
from wsgw.mapping.velocity.numbers import equals
from wsgw.mapping.velocity.printing import to_text
from wsgw.mapping.velocity.values import Number

_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_DIGITS = re.compile(r"[+-]?[0-9A-Za-z]{1,40}")


def _text(frame: Frame, value: Any) -> str:
    return to_text(frame, value)


def _wrapped(value: Number, bits: int) -> int:
    """A Java narrowing: floats are cut and stay in range, integers keep their low bits."""
    half = 1 << (bits - 1)
    if isinstance(value, float):
        return 0 if math.isnan(value) else max(-half, min(half - 1, int(max(-9.3e18, min(9.3e18, value)))))
    return (int(value) + half) % (1 << bits) - half


def _parse_int(_: Frame, value: Any, text: str, radix: int = 10) -> int:
    if not 2 <= radix <= 36 or not _DIGITS.fullmatch(text):
        raise TemplateRuntimeError("a text is no whole number")  # not which: it may be the client's, and goes to logs
    try:
        return int(text, radix)
    except ValueError as error:
        raise TemplateRuntimeError("a text is no whole number") from error


def _parse_double(_: Frame, value: Any, text: str) -> float:
    if not _DECIMAL.fullmatch(text.strip()):
        raise TemplateRuntimeError("a text is no number")
    return float(text)


def _compare(_: Frame, value: Any, other: Any) -> int | None:
    if other.__class__ is not value.__class__:
        return None
    return int(value > other) - int(value < other)


def _equals(frame: Frame, value: Any, other: Any) -> bool:
    return equals(value, other, frame.spend)


_NUMBER: dict[str, Implementation] = {
    "intValue": lambda _, value: _wrapped(value, 32),
    "longValue": lambda _, value: _wrapped(value, 64),
    "doubleValue": lambda _, value: float(value),
    "floatValue": lambda _, value: float(value),
    "compareTo(o)": _compare,
    "equals(o)": _equals,
    "toString": _text,
}

INTEGER: MethodTable = table(
    {
        **_NUMBER,
        "hashCode": lambda _, value: _wrapped(value, 32),
        "parseInt(s)": _parse_int,
        "parseInt(si)": _parse_int,
        "parseLong(s)": _parse_int,
        "valueOf(s)": _parse_int,
        "valueOf(i)": lambda _, value, other: other,
        "toString(i)": lambda frame, value, other: _text(frame, other),
        "max(ii)": lambda _, value, one, other: max(one, other),
        "min(ii)": lambda _, value, one, other: min(one, other),
    }
)
# `valueOf` and `toString` with one argument take a string and a number alike.
INTEGER["valueOf", 1] = (
    lambda frame, value, other: _parse_int(frame, value, other) if other.__class__ is str else _whole(other),
    None,
)

DOUBLE: MethodTable = table(
    {
        **_NUMBER,
        "isNaN": lambda _, value: math.isnan(value),
        "isInfinite": lambda _, value: math.isinf(value),
        "parseDouble(s)": _parse_double,
        "valueOf(s)": _parse_double,
        "toString(n)": lambda frame, value, other: _text(frame, float(other)),
        "max(nn)": lambda _, value, one, other: float(max(one, other)),
        "min(nn)": lambda _, value, one, other: float(min(one, other)),
    }
)

DECIMAL: MethodTable = table(_NUMBER)

BOOLEAN: MethodTable = table(
    {
        "booleanValue": lambda _, value: value,
        "equals(o)": _equals,
        "compareTo(o)": _compare,
        "toString": _text,
        "parseBoolean(s)": lambda _, value, text: text.lower() == "true",
        "valueOf(s)": lambda _, value, text: text.lower() == "true",
    }
)


def _whole(value: Any) -> int | None:
    return value if value.__class__ is int else None
