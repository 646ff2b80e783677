"""java.lang.String, as far as templates use it. Lengths and positions count UTF-16 units, as Java's do."""

from __future__ import annotations

from typing import Any

from wsgw.mapping.velocity import patterns
from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Frame
from wsgw.mapping.velocity.methods import MethodTable, PropertyTable, table
from wsgw.mapping.velocity.printing import to_text
from wsgw.mapping.velocity.values import VtlList


def _raw(text: str) -> bytes:
    """Two bytes for each UTF-16 unit."""
    return text.encode("utf-16-be", "surrogatepass")


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(_raw(text)) // 2


def _slice(text: str, first: int, last: int | None = None) -> str:
    """Units first up to last; half a pair stays what it is."""
    if text.isascii():
        return text[first:last]
    return _raw(text)[2 * first : None if last is None else 2 * last].decode("utf-16-be", "surrogatepass")


def _substring(_: Frame, text: str, first: int, last: int | None = None) -> str:
    length = _length(text)
    end = length if last is None else last
    if not 0 <= first <= end <= length:
        raise TemplateRuntimeError(f"substring({first}, {end}) of a string of {length} characters")
    return _slice(text, first, end)


def _char_at(frame: Frame, text: str, at: int) -> str:
    return _substring(frame, text, at, at + 1)


def _index_of(_: Frame, text: str, wanted: Any, start: int = 0) -> int | None:
    """Takes a string, or a character's number."""
    if wanted.__class__ is int:
        wanted = chr(wanted) if 0 <= wanted < 0x110000 else "\0\0"
    if wanted.__class__ is not str:
        return None
    start = max(0, min(start, _length(text)))
    rest = _slice(text, start)
    found = rest.find(wanted)
    return found if found < 0 else start + _length(rest[:found])


def _last_index_of(_: Frame, text: str, wanted: str) -> int:
    found = text.rfind(wanted)
    return found if found < 0 else _length(text[:found])


def _compare(_: Frame, text: str, other: str) -> int:
    """The difference of the first units that differ, or of the lengths."""
    left, right = _raw(text), _raw(other)
    same, most = 0, min(len(left), len(right)) // 2
    while same < most:  # halving, so that long strings are compared as a whole
        half = (same + most + 1) // 2
        if left[2 * same : 2 * half] == right[2 * same : 2 * half]:
            same = half
        else:
            most = half - 1
    if same < min(len(left), len(right)) // 2:
        return int.from_bytes(left[2 * same :][:2]) - int.from_bytes(right[2 * same :][:2])
    return (len(left) - len(right)) // 2


def _replace(frame: Frame, text: str, old: str, new: str) -> str:
    count = text.count(old)
    frame.make(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new)


def _concat(frame: Frame, text: str, other: str) -> str:
    frame.make(len(text) + len(other))
    return text + other


def _split(frame: Frame, text: str, pattern: str, limit: int = 0) -> VtlList:
    parts = patterns.split(frame, text, pattern, limit)
    frame.grow(len(parts))
    frame.make(len(text))
    return VtlList(parts)


def _repeat(frame: Frame, text: str, count: int) -> str:
    if count < 0:
        raise TemplateRuntimeError(f"repeat({count})")
    frame.make(len(text) * count)
    return text * count


def _value_of(frame: Frame, _: str, value: Any) -> str:
    return to_text(frame, value)


_BLANKS = "".join(map(chr, range(33)))

METHODS: MethodTable = table(
    {
        "length": lambda _, text: _length(text),
        "isEmpty": lambda _, text: not text,
        "isBlank": lambda _, text: not text.strip(),
        "charAt(i)": _char_at,
        "concat(s)": _concat,
        "contains(s)": lambda _, text, other: other in text,
        "startsWith(s)": lambda _, text, other: text.startswith(other),
        "startsWith(si)": lambda _, text, other, at: at >= 0 and _slice(text, at).startswith(other),
        "endsWith(s)": lambda _, text, other: text.endswith(other),
        "equals(o)": lambda _, text, other: other.__class__ is str and text == other,
        "equalsIgnoreCase(s)": lambda _, text, other: text.lower() == other.lower(),
        "compareTo(s)": _compare,
        "compareToIgnoreCase(s)": lambda frame, text, other: _compare(frame, text.lower(), other.lower()),
        "indexOf(o)": _index_of,
        "indexOf(oi)": _index_of,
        "lastIndexOf(s)": _last_index_of,
        "matches(s)": lambda _, text, pattern: patterns.matches(text, pattern),
        "replace(ss)": _replace,
        "replaceAll(ss)": lambda frame, text, old, new: patterns.replace(frame, text, old, new, 0),
        "replaceFirst(ss)": lambda frame, text, old, new: patterns.replace(frame, text, old, new, 1),
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
    }
)

PROPERTIES: PropertyTable = {"empty": lambda _, text: not text}
