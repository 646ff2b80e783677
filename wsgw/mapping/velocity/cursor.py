"""A place in a template, and the small steps forward that all of its parser takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from wsgw.mapping.velocity import nodes
from wsgw.mapping.velocity.errors import TemplateRuntimeError, TemplateSyntaxError

Checks: TypeAlias = Mapping[str, Callable[[str], object]]
"""By `method` or `root.method`: reads a first argument that is written in the template. Raises ValueError."""

_BLANKS = re.compile(r"[ \t\r\n]+")
WORD = re.compile(r"[A-Za-z_@][A-Za-z0-9_@]*")
WORD_OPERATORS = {"and": "&&", "or": "||", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Cursor:
    """A place in a template's source, and how deep in its constructs that is.

    depth: how deep the constructs are nested
    names: collects every reference's root, those inside strings included
    """

    def __init__(self, source: str, nesting: int, depth: int, checks: Checks, names: set[str]) -> None:
        self.source = source
        self.checks = checks
        self.names = names
        self.at = 0
        self.depth = depth
        self.nesting = nesting

    def error(self, reason: str, offset: int | None = None) -> TemplateSyntaxError:
        return TemplateSyntaxError(reason, self.source, self.at if offset is None else offset)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > self.nesting:
            raise self.error(f"more than {self.nesting} constructs inside each other")

    def skip(self, pattern: re.Pattern[str]) -> None:
        if match := pattern.match(self.source, self.at):
            self.at = match.end()

    def blanks(self) -> None:
        self.skip(_BLANKS)

    def take(self, text: str) -> bool:
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def word(self) -> str | None:
        """A bare word that is no boolean and no operator."""
        match = WORD.match(self.source, self.at)
        if match is None or match[0] in ("true", "false"):
            return None
        if match[0] in WORD_OPERATORS or match[0] == "not":
            raise self.error(f"expected a value, found {match[0]}")
        self.at = match.end()
        return match[0]

    def check(self, root: str, call: nodes.Call, offset: int) -> None:
        """Have an argument that is written in the template, and is itself in some language, read beforehand."""
        check = self.checks.get(f"{root}.{call.name}") or self.checks.get(call.name)
        if check is not None and call.arguments:
            first = call.arguments[0]
            if isinstance(first, nodes.Literal) and isinstance(first.value, str):
                try:
                    check(first.value)
                except (ValueError, TemplateRuntimeError) as error:
                    raise self.error(f"{call.name}({first.value!r}): {error}", offset) from error
