"""One render under way: its variables, what it wrote so far, and the budget that it may not exceed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsgw.mapping.velocity.errors import TemplateRuntimeError

if TYPE_CHECKING:
    from wsgw.mapping.velocity.values import Loop


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where API Gateway departs from Velocity.

    empty_missing: a reference without a value is an empty string (and so true), instead of its own source text
    macros: `#macro` and `#evaluate` work; without, definitions disappear and calls are text
    """

    empty_missing: bool
    macros: bool


API_GATEWAY = Dialect(empty_missing=True, macros=False)
VELOCITY = Dialect(empty_missing=False, macros=True)


@dataclass(frozen=True, slots=True)
class TemplateLimits:
    """What a template may use.

    source: characters of the template (API Gateway: 300 KB)
    nesting: constructs inside each other
    loop_turns: turns of one `#foreach` (API Gateway: 1,000)
    steps: nodes run and characters worked on, in all; every turn of every loop is at least one
    output: bytes of the result; also the length of any one string, and a quarter of all text made on the way
    items: elements of one list or map
    macro_depth: macros, definitions and `#evaluate` inside each other while they run
    """

    source: int = 300 * 1024
    nesting: int = 40
    loop_turns: int = 1_000
    steps: int = 100_000
    output: int = 10 * 1024 * 1024
    items: int = 100_000
    macro_depth: int = 20


class Break(Exception):
    """`#break`: leave the innermost loop."""


class Stop(Exception):
    """`#stop`: the result is what was written so far."""


class Frame:
    """size: characters written; made: characters of strings made on the way; mutated: a list or map was changed"""

    __slots__ = ("depth", "limits", "loop", "macros", "made", "mutated", "out", "size", "steps", "variables")

    def __init__(self, variables: dict[str, Any], limits: TemplateLimits) -> None:
        self.variables = variables
        self.limits = limits
        self.out: list[str] = []
        self.size = 0
        self.made = 0
        self.steps = 0
        self.depth = 0
        self.mutated = False
        self.loop: Loop | None = None
        self.macros: dict[str, Callable[[Frame, list[Any]], None]] = {}

    def spend(self, steps: int) -> None:
        """Count work done. Raises TemplateRuntimeError where it is too much."""
        self.steps += steps
        if self.steps > self.limits.steps:
            raise TemplateRuntimeError(f"the template takes more than {self.limits.steps} steps")
        if self.size > self.limits.output:
            raise TemplateRuntimeError(f"the result is longer than {self.limits.output} bytes")

    def make(self, length: int) -> None:
        """Count a string about to be made on the way to the result. Raises TemplateRuntimeError."""
        self.made += length
        if length > self.limits.output or self.made > 4 * self.limits.output:
            raise TemplateRuntimeError(f"a string becomes longer than {self.limits.output} bytes")

    def grow(self, items: int) -> None:
        """Check how many elements a list or map is about to have. Raises TemplateRuntimeError."""
        if items > self.limits.items:
            raise TemplateRuntimeError(f"a list or map gets more than {self.limits.items} elements")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """While a macro, a definition or `#evaluate` runs. Raises TemplateRuntimeError where that is too deep."""
        if self.depth == self.limits.macro_depth:
            raise TemplateRuntimeError(f"macros or definitions run more than {self.depth} deep")
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
