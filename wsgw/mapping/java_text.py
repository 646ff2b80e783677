"""JSON values as text the way Java prints them: what a selection expression compares.

A list is `[a, b]`, an object `{k=v, k2=v2}`, null inside them `null`; a whole value of null is empty.
Source: developer guide, "Selection expressions in API Gateway" (lists); objects as java.util.Map prints them.
"""

from __future__ import annotations

from typing import Any, Final

#: Longer texts select nothing: keys are far shorter, and a client chooses the message.
MAX_PIECES: Final = 4_096
MAX_NESTING: Final = 64


class _TooMuch(Exception):
    pass


def java_text(value: Any) -> str:
    """`value` as text; "" for null, and for what is nested or long beyond the limits."""
    if value.__class__ is str:
        return str(value)
    if value is None:
        return ""
    pieces: list[str] = []
    try:
        _print(value, pieces, 0)
    except _TooMuch:
        return ""
    return "".join(pieces)


def _print(value: Any, pieces: list[str], depth: int) -> None:
    if isinstance(value, (list, dict)):
        if depth == MAX_NESTING:
            raise _TooMuch
        _print_all(value, pieces, depth + 1)
    elif isinstance(value, bool):
        pieces.append("true" if value else "false")
    elif isinstance(value, float):
        pieces.append(java_double(value))
    else:
        pieces.append("null" if value is None else str(value))


def _print_all(value: list[Any] | dict[str, Any], pieces: list[str], depth: int) -> None:
    named = isinstance(value, dict)
    pieces.append("{" if named else "[")
    for at, item in enumerate(value):
        if len(pieces) > MAX_PIECES:
            raise _TooMuch
        if at:
            pieces.append(", ")
        if isinstance(value, dict):
            pieces.append(f"{item}=")
            item = value[item]
        _print(item, pieces, depth)
    pieces.append("}" if named else "]")


def java_double(number: float) -> str:
    """A double as `Double.toString` writes it: `1.0`, `1.0E10`, `1.5E-5`."""
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        return repr(number)
    text = repr(number)
    if text in ("inf", "-inf", "nan"):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[text]
    sign = "-" if text.startswith("-") else ""
    digits, _, exponent = text.lstrip("-").partition("e")
    whole, _, fraction = digits.partition(".")
    power = int(exponent or 0) + len(whole) - 1
    figures = whole + fraction
    leading = len(figures) - len(figures.lstrip("0"))
    figures = figures.strip("0")
    return f"{sign}{figures[0]}.{figures[1:] or '0'}E{power - leading}"
