"""How deep a document may be nested that a recursive schema is asked about.

Where two alternatives of a schema (`anyOf`, `oneOf`, `allOf`) both lead back to it, each level of a document doubles
the work: 150 bytes, 16 levels deep, would keep the gateway busy for 12 seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

_ALTERNATIVES: Final = ("anyOf", "oneOf", "allOf")
#: Looks at subschemas that one document may cost, about 5 µs each.
_MOST_LOOKS: Final = 20_000


def deepest(schema: Any) -> int:
    """The most levels of lists and objects that a document for `schema` may have; 0: any number."""
    ways = sum(
        _ways(alternatives, schema)
        for part in _parts(schema)
        for key in _ALTERNATIVES
        if isinstance(alternatives := part.get(key), list)
    )
    return max(4, int(math.log(_MOST_LOOKS, ways))) if ways > 1 else 0


def _ways(alternatives: list[Any], schema: Any) -> int:
    """How many of `alternatives` lead back to where they stand; one is no more work than none."""
    found = sum(_leads_back(alternative, alternatives, schema) for alternative in alternatives)
    return found if found > 1 else 0


def _leads_back(alternative: Any, alternatives: list[Any], schema: Any) -> bool:
    seen: set[str] = set()
    waiting = [alternative]
    while waiting:
        for part in _parts(waiting.pop()):
            if any(part.get(key) is alternatives for key in _ALTERNATIVES):
                return True
            pointer = part.get("$ref")
            if isinstance(pointer, str) and pointer not in seen:
                seen.add(pointer)
                waiting.append(_at(schema, pointer))
    return False


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """`schema` and every object within it."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _at(schema: Any, pointer: str) -> Any:
    """What the `pointer` (RFC 6901, behind a `#`) leads to; None: nothing within `schema`."""
    path, mark, fragment = pointer.partition("#")
    if path or not mark:
        return None
    for name in fragment.split("/")[1:]:
        name = name.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list):
            schema = schema[int(name)] if name.isdecimal() and int(name) < len(schema) else None
        else:
            schema = schema.get(name) if isinstance(schema, dict) else None
    return schema
