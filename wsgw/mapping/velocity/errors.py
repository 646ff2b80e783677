"""What goes wrong with a template: while it is parsed, and while it runs."""

from __future__ import annotations


class TemplateSyntaxError(ValueError):
    """The template cannot be parsed. `line` and `column` count from 1, `reason` is the message without them."""

    def __init__(self, reason: str, source: str = "", offset: int = 0) -> None:
        self.reason = reason
        self.line = source.count("\n", 0, offset) + 1
        self.column = offset - source.rfind("\n", 0, offset)
        super().__init__(f"line {self.line}, column {self.column}: {reason}")


class TemplateRuntimeError(Exception):
    """The template cannot go on: a limit is exceeded, or a method was called with what it cannot take."""
