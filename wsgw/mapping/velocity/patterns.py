"""Regular expressions that templates bring along: Java's syntax and semantics as far as RE2 has them.

RE2 runs in linear time whatever the pattern; look-ahead and back-references, which it lacks, are refused. A pattern
that is only text is replaced as text, which is some forty times as fast.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Frame

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 2 << 20
_PLAIN = re.compile(r"(?:[^\\.^$|?*+()\[\]{}]|\\[^A-Za-z0-9])*")
_REPLACEMENT = re.compile(r"\\(.)|\$([0-9])|\$\{([A-Za-z][A-Za-z0-9]*)\}|[\\$]", re.DOTALL)
_MAX_PATTERN = 2_000


@lru_cache(maxsize=256)
def pattern(text: str) -> Any:
    """`text` compiled. Raises TemplateRuntimeError."""
    if len(text) > _MAX_PATTERN:
        raise TemplateRuntimeError(f"a regular expression of more than {_MAX_PATTERN} characters")
    try:
        return re2.compile(text, _OPTIONS)
    except (re2.error, UnicodeError) as error:
        raise TemplateRuntimeError(f"the regular expression {text!r} is not supported: {error}") from error


def plain(text: str) -> str | None:
    """What the pattern `text` matches, if that is always the same."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if _PLAIN.fullmatch(text) else None


def matches(subject: str, text: str) -> bool:
    """Whether all of `subject` matches."""
    try:
        return pattern(text).fullmatch(subject) is not None
    except UnicodeError as error:
        raise TemplateRuntimeError("a text that is no Unicode meets a regular expression") from error


def replace(frame: Frame, subject: str, text: str, replacement: str, most: int) -> str:
    """`subject` with the first `most` matches replaced (0: all).

    replacement: as in Java: $1 and ${name} are groups, a backslash takes the next character literally
    Raises TemplateRuntimeError, also where the result becomes too long or has too many replacements.
    """
    literal = plain(text)
    if literal and "\\" not in replacement and "$" not in replacement:
        count = subject.count(literal)
        frame.make(len(subject) + (min(count, most) if most else count) * (len(replacement) - len(literal)))
        return subject.replace(literal, replacement, most or -1)
    parts = _parts(replacement)
    pieces: list[str] = []
    at = length = 0
    try:
        for number, found in enumerate(pattern(text).finditer(subject)):
            if most and number >= most:
                break
            piece = subject[at : found.start()] + "".join(_group(found, part) for part in parts)
            length += len(piece)
            frame.spend(8)
            if length > frame.limits.output:
                break
            pieces.append(piece)
            at = found.end()
    except UnicodeError as error:
        raise TemplateRuntimeError("a text that is no Unicode meets a regular expression") from error
    frame.make(length + len(subject) - at)
    return "".join(pieces) + subject[at:]


@lru_cache(maxsize=256)
def _parts(replacement: str) -> tuple[str | int | tuple[str], ...]:
    """Text as str, a group's number as int, its name in a tuple."""
    parts: list[str | int | tuple[str]] = []
    at = 0
    for found in _REPLACEMENT.finditer(replacement):
        parts.append(replacement[at : found.start()])
        at = found.end()
        escaped, number, name = found.groups()
        if escaped is not None:
            parts.append(escaped)
        elif number is not None:
            parts.append(int(number))
        elif name is not None:
            parts.append((name,))
        else:
            raise TemplateRuntimeError(f"the replacement {replacement!r} has a \\ or $ without what belongs to it")
    parts.append(replacement[at:])
    return tuple(parts)


def _group(found: Any, part: str | int | tuple[str]) -> str:
    if isinstance(part, str):
        return part
    try:
        return found.group(part if isinstance(part, int) else part[0]) or ""
    except (IndexError, KeyError) as error:
        raise TemplateRuntimeError(f"the regular expression has no group {part}") from error


def split(frame: Frame, subject: str, text: str, limit: int) -> list[str]:
    """Java's String.split: limit 0 drops empty parts at the end, a positive one is the most parts there are."""
    literal = plain(text)
    if literal:
        parts = subject.split(literal, limit - 1 if limit > 0 else -1)
    else:
        parts = []
        at = 0
        try:
            for found in pattern(text).finditer(subject):
                if limit > 0 and len(parts) == limit - 1:
                    break
                if found.end() == 0 or (found.start() == found.end() == len(subject)):
                    continue
                frame.spend(4)
                parts.append(subject[at : found.start()])
                at = found.end()
        except UnicodeError as error:
            raise TemplateRuntimeError("a text that is no Unicode meets a regular expression") from error
        parts.append(subject[at:])
    if limit == 0 and subject:
        while parts and not parts[-1]:
            parts.pop()
    return parts
