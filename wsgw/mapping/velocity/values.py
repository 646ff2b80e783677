"""What templates compute with, and how it prints.

    null None   String str   Boolean bool   Integer, Long, BigInteger int   Double float   BigDecimal Decimal
    a list or map from JSON: list, dict    a list that a template made: VtlList    keySet(), values(), entrySet(): VtlSet

Lists from JSON print as JSON, maps and other lists as Java prints them; both as json-smart 2.2 under Apache Velocity
1.7 does it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, TypeAlias

import orjson

from wsgw.mapping.java_text import java_double
from wsgw.mapping.velocity.errors import TemplateRuntimeError

Number: TypeAlias = int | float | Decimal

NESTING = 100
"""How deep values may be nested to be printed or compared."""


class VtlList(list[Any]):
    """A list made by a template: `[1, 2]`, `[1..3]`, the parts of `.split()`."""


class VtlSet(list[Any]):
    """Keys, values or entries of a map, as they were when asked for; without index and `get`."""


class Entry:
    """A key and a value of `owner`."""

    __slots__ = ("key", "owner", "value")

    def __init__(self, key: Any, value: Any, owner: dict[Any, Any]) -> None:
        self.key = key
        self.value = value
        self.owner = owner


class Loop:
    """`$foreach`. `index` counts from 0; `total` is how many turns there will be."""

    __slots__ = ("index", "parent", "total")

    def __init__(self, total: int, parent: Loop | None) -> None:
        self.index = 0
        self.total = total
        self.parent = parent


LISTS = frozenset((list, VtlList, VtlSet))
NUMBERS = frozenset((int, float, Decimal))


def java_int(value: int) -> str:
    if value.bit_length() > 8192:  # Python refuses to print from 4,300 digits on
        raise TemplateRuntimeError("a number has too many digits")
    return str(value)


class _Printer:
    """Collects the pieces of one value's text; `room` is how many characters it may still have."""

    __slots__ = ("pieces", "room", "slash", "text")

    def __init__(self, room: int, slash: str = "/") -> None:
        self.pieces: list[str] = []
        self.room = room
        self.slash = slash

    def put(self, piece: str) -> None:
        self.room -= len(piece)
        if self.room < 0:
            raise TemplateRuntimeError("a printed value is too long")
        self.pieces.append(piece)

    def java(self, value: Any, depth: int = 0) -> None:
        """As Java's toString prints it."""
        if depth > NESTING:
            raise TemplateRuntimeError("a printed value is nested too deeply")
        kind = value.__class__
        if kind is list:
            self.json(value, depth)
        elif kind is dict:
            self.put("{")
            for number, (key, item) in enumerate(value.items()):
                self.put(", " if number else "")
                self.java(key, depth + 1)
                self.put("=")
                self.java(item, depth + 1)
            self.put("}")
        elif kind in LISTS:
            self.put("[")
            for number, item in enumerate(value):
                self.put(", " if number else "")
                self.java(item, depth + 1)
            self.put("]")
        elif kind is Entry:
            self.java(value.key, depth + 1)
            self.put("=")
            self.java(value.value, depth + 1)
        else:
            self.put(scalar(value))

    def json(self, value: Any, depth: int = 0) -> None:
        """As json-smart writes it."""
        if depth > NESTING:
            raise TemplateRuntimeError("a printed value is nested too deeply")
        kind = value.__class__
        if kind is dict:
            self.put("{")
            for number, (key, item) in enumerate(value.items()):
                self.put("," if number else "")
                self.put(f"{quoted(scalar(key), self.slash)}:")
                self.json(item, depth + 1)
            self.put("}")
        elif kind in LISTS:
            self.put("[")
            for number, item in enumerate(value):
                self.put("," if number else "")
                self.json(item, depth + 1)
            self.put("]")
        elif value is None or kind is bool or kind in NUMBERS:
            finite = kind is not float or abs(value) != float("inf")
            self.put(scalar(value) if finite and value == value else "null")
        else:
            self.put(quoted(scalar(value), self.slash))


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = re.compile(r'[\\"\x00-\x1f\x7f-\x9f\u2000-\u20ff]')


def quoted(text: str, slash: str = "/") -> str:
    """`text` as a JSON string, the way json-smart escapes it; `slash` is what a / becomes."""
    text = _ESCAPED.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04X}", text)
    return f'"{text if slash == "/" else text.replace("/", slash)}"'


def scalar(value: Any) -> str:
    """The text of what holds nothing else; what a template has no business printing is empty."""
    kind = value.__class__
    if kind is str:
        return str(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return java_int(value)
    if kind is float:
        return java_double(value)
    if kind is Decimal:
        return str(value)
    return "{}" if kind is Loop else ""


# What orjson may write otherwise than json-smart; a match in a string only costs the slower way.
_UNSURE = re.compile(r"0\.000|\d{8}\.|\de|\\u00|[\x7f-\x9f\u2000-\u20ff]")


def pristine_json(value: Any, room: int) -> str:
    """`value`, known to be as it was parsed, as compact JSON; at most `room` characters."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # orjson's error too: a number over 64 bits, a Decimal, a lone surrogate
        return json_text(value, room)
    return json_text(value, room) if _UNSURE.search(text) else text


def json_text(value: Any, room: int) -> str:
    """`value` as compact JSON. Raises TemplateRuntimeError if that takes more than `room` characters."""
    printer = _Printer(room)
    printer.json(value)
    return "".join(printer.pieces)


def to_text(value: Any, room: int) -> str:
    """`value` as a template prints it. Raises TemplateRuntimeError beyond `room` characters."""
    kind = value.__class__
    if kind is str:
        return str(value)
    if kind in LISTS or kind is dict or kind is Entry:
        printer = _Printer(room, "\\/")
        printer.java(value)
        return "".join(printer.pieces)
    return scalar(value)
