"""A JSONPath made ready to run: its definite beginning as a tuple of keys, the rest as one closure per segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wsgw.mapping.jsonpath_filter import Predicate, predicate
from wsgw.mapping.jsonpath_operators import FUNCTIONS, MISSING
from wsgw.mapping.jsonpath_parse import JsonPathError
from wsgw.mapping.jsonpath_run import Run
from wsgw.mapping.jsonpath_tree import (
    Descent,
    Filter,
    Function,
    Index,
    Indexes,
    Key,
    Keys,
    Segment,
    Slice,
    Wildcard,
)

Step = Callable[[list[Any], Run], list[Any]]
Kind = type[dict[str, Any]] | type[list[Any]]


class Plan:
    """What a path does. `keys`: the definite beginning, each with the kind of value that it looks into.

    `definite`: it gives one value, not a list; `plain`: it is nothing but its `keys`.
    """

    __slots__ = ("_function", "_merge", "_steps", "definite", "keys", "plain")

    def __init__(self, segments: Sequence[Segment]) -> None:
        rest = list(segments)
        self._function: Callable[[Any], Any] | None = None
        if rest and isinstance(rest[-1], Function):
            self._function = FUNCTIONS[rest[-1].name]
            rest.pop()
        self.keys, rest = _definite_prefix(rest)
        # `['a','b']` at the end of a definite path is an object of the two, not a list.
        self._merge = rest[0].names if len(rest) == 1 and isinstance(rest[0], Keys) else None
        self._steps = () if self._merge else _steps(rest)
        self.definite = self._function is not None or not self._steps
        self.plain = self._function is None and not rest

    def value(self, start: Any, run: Run) -> Any:
        """What the path finds from `start`, or MISSING. Raises TooMuch."""
        value = step_into(start, self.keys)
        if self._merge is not None:
            value = _merged(value, self._merge)
        elif self._steps:
            found = [] if value is MISSING else [value]
            for step in self._steps:
                found = step(found, run)
                run.spend(len(found))
            value = found
        return value if self._function is None or value is MISSING else self._function(value)


def step_into(value: Any, keys: Sequence[tuple[Kind, Any]]) -> Any:
    """The value behind `keys`, or MISSING."""
    try:
        for kind, key in keys:
            if not isinstance(value, kind):
                return MISSING
            value = value[key]
    except LookupError:
        return MISSING
    return value


def _definite_prefix(segments: list[Segment]) -> tuple[tuple[tuple[Kind, Any], ...], list[Segment]]:
    keys: list[tuple[Kind, Any]] = []
    for segment in segments:
        if isinstance(segment, Key):
            keys.append((dict, segment.name))
        elif isinstance(segment, Index):
            keys.append((list, segment.at))
        else:
            break
    return tuple(keys), segments[len(keys) :]


def _merged(value: Any, names: tuple[str, ...]) -> Any:
    if not isinstance(value, dict):
        return MISSING
    return {name: value[name] for name in names if name in value}


def _steps(segments: Sequence[Segment]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for position, segment in enumerate(segments):
        after_descent = position > 0 and isinstance(segments[position - 1], Descent)
        match segment:
            case Key(name):
                steps.append(_each(dict, (name,)))
            case Keys(names):
                last = position == len(segments) - 1
                # After `..` only objects that have all the names count.
                needed = frozenset(names if after_descent else ())
                steps.append(_merge_each(names, needed) if last else _each(dict, names))
            case Index(at):
                steps.append(_each(list, (at,)))
            case Indexes(at=indexes):
                steps.append(_each(list, indexes))
            case Slice(start, stop):
                steps.append(_slice(start, stop))
            case Wildcard():
                steps.append(_children)
            case Descent():
                steps.append(_descend)
            case Filter(test):
                steps.append(_filter(predicate(test, Plan), after_descent))
            case _:
                raise JsonPathError("a function can only end a path")
    return tuple(steps)


def _each(kind: Kind, keys: tuple[Any, ...]) -> Step:
    def step(nodes: list[Any], run: Run) -> list[Any]:
        found = []
        for node in nodes:
            if isinstance(node, kind):
                for key in keys:
                    try:
                        found.append(node[key])
                    except LookupError:
                        continue
        return found

    return step


def _merge_each(names: tuple[str, ...], needed: frozenset[str]) -> Step:
    def step(nodes: list[Any], run: Run) -> list[Any]:
        return [_merged(node, names) for node in nodes if isinstance(node, dict) and needed <= node.keys()]

    return step


def _slice(start: int | None, stop: int | None) -> Step:
    if stop is not None and stop < 0 <= (start if start is not None else -1):
        # Jayway finds nothing from a start counted forwards to an end counted backwards.
        return lambda nodes, run: []
    span = slice(start, stop)

    def step(nodes: list[Any], run: Run) -> list[Any]:
        return [item for node in nodes if isinstance(node, list) for item in node[span]]

    return step


def _children(nodes: list[Any], run: Run) -> list[Any]:
    found: list[Any] = []
    for node in nodes:
        if isinstance(node, dict):
            found.extend(node.values())
        elif isinstance(node, list):
            found.extend(node)
    return found


def _descend(nodes: list[Any], run: Run) -> list[Any]:
    """Every object and list in `nodes`, a parent before its children, in document order."""
    found: list[Any] = []
    stack = [node for node in reversed(nodes) if isinstance(node, (dict, list))]
    while stack:
        node = stack.pop()
        found.append(node)
        run.spend(len(node))
        inner = node.values() if isinstance(node, dict) else node
        below = [child for child in inner if isinstance(child, (dict, list))]
        below.reverse()
        stack.extend(below)
    return found


def _filter(holds: Predicate, after_descent: bool) -> Step:
    def step(nodes: list[Any], run: Run) -> list[Any]:
        found = []
        for node in nodes:
            run.spend(1)
            if isinstance(node, dict):
                if holds(node, run):
                    found.append(node)
            elif isinstance(node, list) and not after_descent:
                run.spend(len(node))
                # After `..` the items of a list come by themselves.
                found.extend([item for item in node if holds(item, run)])
        return found

    return step
