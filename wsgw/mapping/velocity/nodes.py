"""The syntax tree of a template: one small class per construct. A block is a tuple of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Property:
    """`.name`"""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`[key]`"""

    key: Expression


@dataclass(frozen=True, slots=True)
class Call:
    """`.name(arguments)`"""

    name: str
    arguments: tuple[Expression, ...]


Step: TypeAlias = Property | Index | Call


@dataclass(frozen=True, slots=True)
class Reference:
    """`$root…`. `source` is its text as written, from the `$` on; `slashes` counts the backslashes before it."""

    root: str
    steps: tuple[Step, ...]
    source: str
    quiet: bool = False
    slashes: int = 0


@dataclass(frozen=True, slots=True)
class Literal:
    """A string without references, a number or a boolean; None is a bare word as an argument, such as `null`."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A double-quoted string that has something to render in it."""

    body: Block


@dataclass(frozen=True, slots=True)
class ListLiteral:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapLiteral:
    pairs: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Range:
    """`[first..last]`, both ends included, downwards where the first is the greater."""

    first: Expression
    last: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """operator: one of + - * / % == != < <= > >= && ||"""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


Expression: TypeAlias = Reference | Literal | Interpolated | ListLiteral | MapLiteral | Range | Binary | Not


@dataclass(frozen=True, slots=True)
class Set:
    target: Reference
    value: Expression


@dataclass(frozen=True, slots=True)
class If:
    branches: tuple[tuple[Expression, Block], ...]
    otherwise: Block


@dataclass(frozen=True, slots=True)
class Foreach:
    variable: str
    source: Expression
    body: Block


@dataclass(frozen=True, slots=True)
class Define:
    name: str
    body: Block


@dataclass(frozen=True, slots=True)
class Macro:
    name: str
    parameters: tuple[str, ...]
    body: Block


@dataclass(frozen=True, slots=True)
class MacroCall:
    """`source` is printed where there is no such macro."""

    name: str
    arguments: tuple[Expression, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Evaluate:
    value: Expression


@dataclass(frozen=True, slots=True)
class Break:
    pass


@dataclass(frozen=True, slots=True)
class Stop:
    pass


Node: TypeAlias = Text | Reference | Set | If | Foreach | Define | Macro | MacroCall | Evaluate | Break | Stop
Block: TypeAlias = tuple[Node, ...]
