"""How values print.

Lists from JSON print as JSON, maps and other lists as Java prints them; both as json-smart 2.2 under Apache Velocity
1.7 does it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import orjson

from wsgw.mapping.java_text import java_double
from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Frame
from wsgw.mapping.velocity.values import LISTS, NESTING, NUMBERS, Entry, Loop


def java_int(value: int) -> str:
    if value.bit_length() > 8192:  # Python refuses to print from 4,300 digits on
        raise TemplateRuntimeError("a number has too many digits")
    return str(value)


class _Printer:
    """Collects the pieces of one value's text; `room` is how many characters it may still have."""

    __slots__ = ("frame", "pieces", "room", "slash")

    def __init__(self, frame: Frame, slash: str = "/") -> None:
        self.frame = frame
        self.pieces: list[str] = []
        self.room = frame.limits.output
        self.slash = slash

    def put(self, piece: str) -> None:
        self.room -= len(piece)
        if self.room < 0:
            raise TemplateRuntimeError("a printed value is too long")
        self.pieces.append(piece)

    def count(self, value: Any, depth: int) -> None:
        """Lists and maps cost steps: one that holds itself many times over is as large as it prints."""
        if depth > NESTING:
            raise TemplateRuntimeError("a printed value is nested too deeply")
        if value.__class__ is dict or value.__class__ in LISTS:
            self.frame.spend(1 + (len(value) >> 1))

    def java(self, value: Any, depth: int = 0) -> None:
        """As Java's toString prints it."""
        kind = value.__class__
        if kind is list:
            self.json(value, depth)
            return
        self.count(value, depth)
        if kind is dict:
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
        kind = value.__class__
        self.count(value, depth)
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


# Numbers and characters that orjson writes otherwise than json-smart; a match in a string only costs the slower way.
_UNSURE = re.compile(r"(?:^|[:,\[])-?(?:[0-9.]+e|0\.000|[0-9]{8,}\.)|\\u00|[\x7f-\x9f\u2000-\u20ff]")


def json_text(frame: Frame, value: Any) -> str:
    """`value` as compact JSON. Raises TemplateRuntimeError if that takes too much."""
    if not frame.mutated:  # nothing holds itself, so it is about as long as it was when it was parsed
        try:
            text = orjson.dumps(value).decode()
        except TypeError:  # orjson's error too: a number over 64 bits, a Decimal, a lone surrogate
            pass
        else:
            if _UNSURE.search(text) is None:
                return text
    printer = _Printer(frame)
    printer.json(value)
    return "".join(printer.pieces)


def to_text(frame: Frame, value: Any) -> str:
    """`value` as a template prints it. Raises TemplateRuntimeError if that takes too much."""
    kind = value.__class__
    if kind is str:
        return str(value)
    if kind in LISTS or kind is dict or kind is Entry:
        printer = _Printer(frame, "\\/")
        printer.java(value)
        return "".join(printer.pieces)
    return scalar(value)
