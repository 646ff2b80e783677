"""Names and values of a JSON body, as rules look at them: repeated names and numbers as they are written, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wsgw.definitions.firewall import MatchScope


class _Object(list[tuple[str, Any]]):
    """An object's members in order. Which of two with the same name a backend takes, nobody knows: both are seen."""


def json_parts(body: bytes, wanted: tuple[tuple[str, ...], ...] | None, scope: MatchScope) -> list[bytes] | None:
    """Names, values or both that stand below a pointer of `wanted` (None: anywhere); None for what is no JSON."""
    try:
        document = json.loads(body, object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    keys, values = scope != "VALUE", scope != "KEY"
    found: list[bytes] = []
    # A stack of its own: recursion would end where a client nests deep enough.
    waiting: list[tuple[tuple[str, ...], Any]] = [((), document)]
    inside = _inside(wanted)
    # No deeper than pointers reach: paths as long as a client nests would cost the square of it.
    deepest = max(map(len, wanted), default=0) if wanted is not None else 0
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Object):
            for name, member in value:
                here = (*path, name) if len(path) < deepest else path
                if keys and inside(here):
                    found.append(name.encode("utf-8", "surrogatepass"))
                waiting.append((here, member))
        elif isinstance(value, list):
            if len(path) < deepest:
                waiting += [((*path, str(index)), member) for index, member in enumerate(value)]
            else:
                waiting += [(path, member) for member in value]
        elif isinstance(value, str) and values and inside(path):
            found.append(value.encode("utf-8", "surrogatepass"))
    return found


def pointer_parts(pointer: str) -> tuple[str, ...]:
    """A JSON pointer's reference tokens (RFC 6901)."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def _inside(wanted: tuple[tuple[str, ...], ...] | None) -> Callable[[tuple[str, ...]], bool]:
    if wanted is None:
        return lambda path: True
    return lambda path: any(path[: len(one)] == one for one in wanted)
