"""java.lang.String, as far as templates use it. Lengths and positions count UTF-16 units, as Java's do."""

from __future__ import annotations

import re
from typing import Any

from wsgw.mapping.velocity import patterns
from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Frame
from wsgw.mapping.velocity.methods import MethodTable, PropertyTable, table
from wsgw.mapping.velocity.values import VtlList, to_text

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def _pair(found: re.Match[str]) -> str:
    offset = ord(found[0]) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def _units(text: str) -> str:
    """`text` with a character for each UTF-16 unit."""
    return text if text.isascii() or not _ASTRAL.search(text) else _ASTRAL.sub(_pair, text)


def _joined(units: str) -> str:
    """The inverse of `_units`; half a pair stays what it is."""
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _substring(_: Frame, text: str, first: int, last: int | None = None) -> str:
    units = _units(text)
    end = len(units) if last is None else last
    if not 0 <= first <= end <= len(units):
        raise TemplateRuntimeError(f"substring({first}, {end}) of a string of {len(units)} characters")
    part = units[first:end]
    return part if units is text else _joined(part)


def _char_at(frame: Frame, text: str, at: int) -> str:
    return _substring(frame, text, at, at + 1)


def _index_of(_: Frame, text: str, wanted: str | int, start: int = 0) -> int:
    if not isinstance(wanted, str):
        wanted = chr(wanted) if 0 <= wanted < 0x110000 else "\x00\x00"
    return _units(text).find(_units(wanted), max(start, 0)) if wanted or start <= len(text) else len(text)


def _compare(_: Frame, text: str, other: str) -> int:
    left, right = _units(text), _units(other)
    for one, two in zip(left, right, strict=False):
        if one != two:
            return ord(one) - ord(two)
    return len(left) - len(right)


def _replace(frame: Frame, text: str, old: str, new: str) -> str:
    count = text.count(old)
    frame.make(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new)


def _concat(frame: Frame, text: str, other: str) -> str:
    frame.make(len(text) + len(other))
    return text + other


def _split(frame: Frame, text: str, pattern: str, limit: int = 0) -> VtlList:
    parts = patterns.split(text, pattern, limit)
    frame.grow(len(parts))
    frame.make(len(text))
    return VtlList(parts)


def _repeat(frame: Frame, text: str, count: int) -> str:
    if count < 0:
        raise TemplateRuntimeError(f"repeat({count})")
    frame.make(len(text) * count)
    return text * count


def _hash(_: Frame, text: str) -> int:
    total = 0
    for unit in _units(text):
        total = (31 * total + ord(unit)) & 0xFFFFFFFF
    return total - (1 << 32) if total >> 31 else total


def _value_of(frame: Frame, _: str, value: Any) -> str:
    return to_text(value, frame.limits.output)


_BLANKS = "".join(map(chr, range(33)))

METHODS: MethodTable = table(
    {
        "length": lambda _, text: len(_units(text)),
        "isEmpty": lambda _, text: not text,
        "isBlank": lambda _, text: not text.strip(),
        "charAt(i)": _char_at,
        "concat(s)": _concat,
        "contains(s)": lambda _, text, other: other in text,
        "startsWith(s)": lambda _, text, other: text.startswith(other),
        "startsWith(si)": lambda _, text, other, at: at >= 0 and _units(text).startswith(_units(other), at),
        "endsWith(s)": lambda _, text, other: text.endswith(other),
        "equals(o)": lambda _, text, other: other.__class__ is str and text == other,
        "equalsIgnoreCase(s)": lambda _, text, other: text.lower() == other.lower(),
        "compareTo(s)": _compare,
        "compareToIgnoreCase(s)": lambda frame, text, other: _compare(frame, text.lower(), other.lower()),
        "indexOf(o)": lambda frame, text, wanted: _found(frame, text, wanted, 0),
        "indexOf(oi)": lambda frame, text, wanted, start: _found(frame, text, wanted, start),
        "lastIndexOf(s)": lambda _, text, wanted: _units(text).rfind(_units(wanted)),
        "matches(s)": lambda _, text, pattern: patterns.matches(text, pattern),
        "replace(ss)": _replace,
        "replaceAll(ss)": lambda frame, text, old, new: patterns.replace(text, old, new, 0, frame.make),
        "replaceFirst(ss)": lambda frame, text, old, new: patterns.replace(text, old, new, 1, frame.make),
        "split(s)": _split,
        "split(si)": _split,
        "substring(i)": _substring,
        "substring(ii)": _substring,
        "toLowerCase": lambda _, text: text.lower(),
        "toUpperCase": lambda _, text: text.upper(),
        "trim": lambda _, text: text.strip(_BLANKS),
        "strip": lambda _, text: text.strip(),
        "repeat(i)": _repeat,
        "toString": lambda _, text: text,
        "valueOf(o)": _value_of,
        "hashCode": _hash,
    }
)

PROPERTIES: PropertyTable = {"empty": lambda _, text: not text}


def _found(frame: Frame, text: str, wanted: Any, start: int) -> int | None:
    """indexOf takes a string or a character's number."""
    return _index_of(frame, text, wanted, start) if wanted.__class__ in (str, int) else None
