"""Lists and sets, and what a loop says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wsgw.mapping.velocity import numbers
from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Frame
from wsgw.mapping.velocity.methods import Implementation, MethodTable, PropertyTable, table
from wsgw.mapping.velocity.printing import to_text
from wsgw.mapping.velocity.values import Loop, VtlList, VtlSet

NOTHING = ""
"""What Velocity gives for a method without a result."""


def position(values: list[Any], at: Any, extra: int = 0) -> int:
    """`at` as an index of `values`. Raises TemplateRuntimeError outside."""
    if not 0 <= at < len(values) + extra:
        raise TemplateRuntimeError(f"no element {at} in a list of {len(values)}")
    return int(at)


# -- any collection ----------------------------------------------------------------------------------------------------


def _find(frame: Frame, values: list[Any], wanted: Any) -> int:
    frame.spend(len(values) >> 4)
    if wanted.__class__ is str:  # the everyday case needs no care: a string equals strings only
        return values.index(wanted) if wanted in values else -1
    return next((at for at, value in enumerate(values) if numbers.equals(value, wanted, frame.spend)), -1)


def contains(frame: Frame, values: list[Any], wanted: Any) -> bool:
    return _find(frame, values, wanted) >= 0


def _contains_all(frame: Frame, values: list[Any], wanted: list[Any]) -> bool:
    return all(contains(frame, values, value) for value in wanted)


def equals(frame: Frame, value: Any, other: Any) -> bool:
    return numbers.equals(value, other, frame.spend)


def text(frame: Frame, value: Any) -> str:
    text = to_text(frame, value)
    frame.make(len(text))
    return text


def clear(_: Frame, values: list[Any] | dict[Any, Any]) -> str:
    values.clear()
    return NOTHING


_COLLECTION: dict[str, Implementation] = {
    "size": lambda _, values: len(values),
    "isEmpty": lambda _, values: not values,
    "contains(o)": contains,
    "containsAll(l)": _contains_all,
    "iterator": lambda _, values: values,
    "toArray": lambda _, values: VtlList(values),
    "equals(o)": equals,
    "toString": text,
}

# -- lists -------------------------------------------------------------------------------------------------------------


def _add(frame: Frame, values: list[Any], value: Any) -> bool:
    frame.grow(len(values) + 1)
    frame.mutated = True
    values.append(value)
    return True


def _insert(frame: Frame, values: list[Any], at: int, value: Any) -> str:
    frame.grow(len(values) + 1)
    frame.mutated = True
    values.insert(position(values, at, extra=1), value)
    return NOTHING


def _add_all(frame: Frame, values: list[Any], others: list[Any]) -> bool:
    frame.grow(len(values) + len(others))
    frame.spend(len(others) >> 4)
    frame.mutated = True
    values.extend(others)
    return bool(others)


def put_at(frame: Frame, values: list[Any], at: int, value: Any) -> Any:
    """List.set: gives what was there."""
    frame.mutated = True
    at = position(values, at)
    old, values[at] = values[at], value
    return old


def _remove(frame: Frame, values: list[Any], wanted: Any) -> Any:
    """By position for an Integer, by value otherwise."""
    if wanted.__class__ is int:
        return values.pop(position(values, wanted))
    at = _find(frame, values, wanted)
    if at >= 0:
        del values[at]
    return at >= 0


def _last_index(frame: Frame, values: list[Any], wanted: Any) -> int:
    at = _find(frame, values[::-1], wanted)
    return len(values) - 1 - at if at >= 0 else -1


def _sublist(_: Frame, values: list[Any], first: int, last: int) -> VtlList:
    if not 0 <= first <= last <= len(values):
        raise TemplateRuntimeError(f"subList({first}, {last}) of a list of {len(values)}")
    return VtlList(values[first:last])


_LIST: dict[str, Implementation] = {
    **_COLLECTION,
    "get(i)": lambda _, values, at: values[position(values, at)],
    "set(io)": put_at,
    "add(o)": _add,
    "add(io)": _insert,
    "addAll(l)": _add_all,
    "remove(o)": _remove,
    "indexOf(o)": _find,
    "lastIndexOf(o)": _last_index,
    "subList(ii)": _sublist,
    "clear": clear,
}

# -- $foreach ----------------------------------------------------------------------------------------------------------


def _topmost(loop: Loop) -> Loop:
    while loop.parent is not None:
        loop = loop.parent
    return loop


_LOOP: dict[str, Callable[[Loop], Any]] = {
    "index": lambda loop: loop.index,
    "count": lambda loop: loop.index + 1,
    "hasNext": lambda loop: loop.index + 1 < loop.total,
    "first": lambda loop: loop.index == 0,
    "last": lambda loop: loop.index + 1 == loop.total,
    "parent": lambda loop: loop.parent,
    "topmost": _topmost,
}


def _ignoring_frame(of_loop: Callable[[Loop], Any]) -> Callable[[Frame, Any], Any]:
    return lambda _, loop: of_loop(loop)


METHODS: dict[type, MethodTable] = {
    list: table(_LIST),
    VtlList: table(_LIST),
    VtlSet: table(_COLLECTION),
    Loop: table(
        {
            "getIndex": lambda _, loop: loop.index,
            "getCount": lambda _, loop: loop.index + 1,
            "hasNext": lambda _, loop: loop.index + 1 < loop.total,
            "isFirst": lambda _, loop: loop.index == 0,
            "isLast": lambda _, loop: loop.index + 1 == loop.total,
        }
    ),
}
_EMPTY: PropertyTable = {"empty": lambda _, values: not values}
PROPERTIES: dict[type, PropertyTable] = {
    list: _EMPTY,
    VtlList: _EMPTY,
    VtlSet: _EMPTY,
    Loop: {name: _ignoring_frame(read) for name, read in _LOOP.items()},
}
