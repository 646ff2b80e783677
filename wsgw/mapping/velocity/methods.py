"""How a method is found: by the value's Java type, its name and the number and types of its arguments.

There is no other way from a name in a template to anything in Python. As in Velocity, a method that is not there, or
is not there for these arguments, gives null; one that fails raises TemplateRuntimeError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from wsgw.mapping.velocity.frame import Frame
from wsgw.mapping.velocity.values import LISTS, NUMBERS

Implementation: TypeAlias = Callable[..., Any]
"""Called with the frame, the value and the arguments."""

Method: TypeAlias = tuple[Implementation, tuple[frozenset[type] | None, ...] | None]
"""What to call, and the types of each argument; None where all are taken."""

MethodTable: TypeAlias = dict[tuple[str, int], Method]
PropertyTable: TypeAlias = dict[str, Callable[[Frame, Any], Any]]

_KINDS: dict[str, frozenset[type] | None] = {
    "s": frozenset((str,)),
    "i": frozenset((int,)),
    "n": NUMBERS,
    "l": LISTS,
    "m": frozenset((dict,)),
    "o": None,
}


def table(methods: Mapping[str, Implementation]) -> MethodTable:
    """Methods by name and number of arguments.

    methods: "name" or "name(types)", types being one letter an argument: s String, i Integer, n any number, l list or
    set, m map, o anything
    """
    found: MethodTable = {}
    for signature, implementation in methods.items():
        name, _, types = signature.rstrip(")").partition("(")
        kinds = tuple(_KINDS[letter] for letter in types)
        found[name, len(kinds)] = (implementation, kinds if any(kinds) else None)
    return found


class Library:
    """What values of each type can do; `checks` reads arguments that stand in the template (see `cursor.Checks`)."""

    __slots__ = ("checks", "methods", "properties")

    def __init__(
        self,
        methods: Mapping[type, MethodTable],
        properties: Mapping[type, PropertyTable],
        checks: Mapping[str, Callable[[str], object]],
    ) -> None:
        self.methods = dict(methods)
        self.properties = dict(properties)
        self.checks = dict(checks)
