"""What templates compute with: Java's types, as Python's.

null None   String str   Boolean bool   Integer, Long, BigInteger int   Double float   BigDecimal Decimal
a list or map from JSON: list, dict    a list that a template made: VtlList    keySet(), values() …: VtlSet
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

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
