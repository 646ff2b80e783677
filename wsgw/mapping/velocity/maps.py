"""Maps and their entries."""

from __future__ import annotations

from typing import Any

from wsgw.mapping.velocity.collections import NOTHING, clear, contains, equals, text
from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Frame
from wsgw.mapping.velocity.methods import Implementation, MethodTable, PropertyTable, table
from wsgw.mapping.velocity.values import Entry, VtlSet


def key_of(value: Any) -> Any:
    """`value` as a key. Raises TemplateRuntimeError for lists and maps, which can be none here."""
    try:
        hash(value)
    except TypeError as error:
        raise TemplateRuntimeError("a list or map cannot be the key of a map") from error
    return value


def _has(_: Frame, values: dict[Any, Any], key: Any) -> bool:
    try:
        return key in values
    except TypeError:
        return False


def _remove_key(frame: Frame, values: dict[Any, Any], key: Any) -> Any:
    return values.pop(key) if _has(frame, values, key) else None


def look_up(values: dict[Any, Any], key: Any) -> Any:
    """Map.get: None for a key that is not there, or cannot be."""
    try:
        return values.get(key)
    except TypeError:
        return None


def put(frame: Frame, values: dict[Any, Any], key: Any, value: Any) -> Any:
    """Map.put: gives what was there."""
    old = values.get(key_of(key))
    frame.grow(len(values) + 1)
    frame.mutated = True
    values[key] = value
    return old


def _put_all(frame: Frame, values: dict[Any, Any], others: dict[Any, Any]) -> str:
    frame.grow(len(values) + len(others))
    frame.spend(len(others) >> 4)
    frame.mutated = True
    values.update(others)
    return NOTHING


def _put_if_absent(frame: Frame, values: dict[Any, Any], key: Any, value: Any) -> Any:
    old = look_up(values, key)
    if old is None:
        put(frame, values, key, value)
    return old


def _get_or_default(frame: Frame, values: dict[Any, Any], key: Any, default: Any) -> Any:
    return values[key] if _has(frame, values, key) else default


def _values(frame: Frame, values: dict[Any, Any]) -> VtlSet:
    frame.spend(len(values) >> 4)
    return VtlSet(values.values())


def _keys(frame: Frame, values: dict[Any, Any]) -> VtlSet:
    frame.spend(len(values) >> 4)
    return VtlSet(values)


def _entries(frame: Frame, values: dict[Any, Any]) -> VtlSet:
    frame.spend(len(values) >> 2)
    return VtlSet(Entry(key, value, values) for key, value in values.items())


_MAP: dict[str, Implementation] = {
    "get(o)": lambda _, values, key: look_up(values, key),
    "getOrDefault(oo)": _get_or_default,
    "put(oo)": put,
    "putIfAbsent(oo)": _put_if_absent,
    "putAll(m)": _put_all,
    "remove(o)": _remove_key,
    "containsKey(o)": _has,
    "containsValue(o)": lambda frame, values, value: contains(frame, list(values.values()), value),
    "keySet": _keys,
    "values": _values,
    "entrySet": _entries,
    "size": lambda _, values: len(values),
    "isEmpty": lambda _, values: not values,
    "clear": clear,
    "equals(o)": equals,
    "toString": text,
}


def _set_value(frame: Frame, entry: Entry, value: Any) -> Any:
    old, entry.value = entry.value, value
    put(frame, entry.owner, entry.key, value)
    return old


_ENTRY: dict[str, Implementation] = {
    "getKey": lambda _, entry: entry.key,
    "getValue": lambda _, entry: entry.value,
    "setValue(o)": _set_value,
    "equals(o)": equals,
    "toString": text,
}

METHODS: dict[type, MethodTable] = {dict: table(_MAP), Entry: table(_ENTRY)}
PROPERTIES: dict[type, PropertyTable] = {
    Entry: {"key": lambda _, entry: entry.key, "value": lambda _, entry: entry.value},
}
