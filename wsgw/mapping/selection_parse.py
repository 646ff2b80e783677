r"""The text of a selection expression: cut into literals and variables.

    expression = *( variable / braced / escaped / literal )
    variable   = "$" path         runs as far as path characters go
    braced     = "${" path "}"
    escaped    = "\$"           a dollar sign
    path       = name *( "." name / ".." name / ".*" / "[" … "]" )      name: letters, digits, "_", "-"

Source: developer guide, "Selection expressions in API Gateway".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: What may stand after `$` in an expression, by where the expression stands.
REQUEST_SOURCES: Final = ("request.body",)
RESPONSE_SOURCES: Final = ("request.body", "integration.response")
API_KEY_SOURCES: Final = ("request.header", "context")

_MAX_LENGTH: Final = 8_192
_FORMS: Final = {
    "request.body": "$request.body.{JSONPath}",
    "request.header": "$request.header.{name}",
    "context": "$context.{name}",
    "integration.response": "${integration.response.statuscode}, .header.{name} or .multivalueheader.{name}",
}
_NAME: Final = re.compile(r"[\w-]+")
_DOTS_AND_NAME: Final = re.compile(r"\.{1,2}(?:[\w-]+|\*|(?=\[))")


class SelectionError(ValueError):
    """A text that is no selection expression; the message says where and what would be one."""


def fault(expression: str, at: int, wrong: str, remedy: str) -> SelectionError:
    return SelectionError(f"selection expression {expression!r}, position {at}: {wrong}; {remedy}")


def split(expression: str, sources: Sequence[str]) -> list[str | tuple[int, str, str]]:
    """Literals, and variables as (position, source, what stands behind it)."""
    if len(expression) > _MAX_LENGTH:
        raise fault(expression[:40] + "…", _MAX_LENGTH, "too long", f"write at most {_MAX_LENGTH} characters")
    parts: list[str | tuple[int, str, str]] = []
    literal = ""
    at = 0
    while at < len(expression):
        if expression.startswith(r"\$", at):
            literal += "$"
            at += 2
        elif expression[at] != "$":
            literal += expression[at]
            at += 1
        else:
            if literal:
                parts.append(literal)
                literal = ""
            end, path = _variable(expression, at)
            parts.append((at, *_source(expression, at, path, sources)))
            at = end
    if literal or not parts:
        parts.append(literal)
    return parts


def _variable(expression: str, at: int) -> tuple[int, str]:
    """Where the variable at the `$` ends, and its path."""
    if not expression.startswith("${", at):
        end = _path_end(expression, at + 1)
        return end, expression[at + 1 : end]
    end = at + 2
    while end < len(expression) and expression[end] != "}":
        end = _bracket_end(expression, end) if expression[end] == "[" else end + 1
    if end >= len(expression):
        raise fault(expression, at, "'${' without its '}'", "close it, or write \\$ for a dollar sign")
    return end + 1, expression[at + 2 : end]


def _path_end(expression: str, at: int) -> int:
    name = _NAME.match(expression, at)
    if name is None:
        return at
    at = name.end()
    while at < len(expression):
        if expression[at] == "[":
            at = _bracket_end(expression, at)
            continue
        following = _DOTS_AND_NAME.match(expression, at)
        if following is None:
            return at
        at = following.end()
    return at


def _bracket_end(expression: str, at: int) -> int:
    """The position behind the `]` that closes the `[` at `at`; quoted text and inner brackets are skipped."""
    start, depth, quote = at, 0, ""
    while at < len(expression):
        char = expression[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    raise fault(expression, start, "'[' without its ']'", "close it")


def _source(expression: str, at: int, path: str, sources: Sequence[str]) -> tuple[str, str]:
    for source in sources:
        if path == source or (path.startswith(source) and path[len(source)] in ".["):
            return source, path[len(source) :]
    forms = "; ".join(_FORMS[source] for source in sources)
    raise fault(expression, at, f"'${path}' is no variable here", f"write {forms}, or \\$ for a dollar sign")
