"""What is wrong with a definition, and where: Finding."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

Path = tuple[str | int, ...]
_PLAIN = re.compile(r"[^\s.\[\]\"]+")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, in a sentence without its full stop, and what to do about it.

    `path` leads to it from the top of the document: `("apis", "chat", "routes", "send")`. `file`, `line` and `column`
    (from 1; 0 is unknown) are filled in by whoever read the file. An `error` cannot be served, a `warning` can.
    `pointer` is the place as a JSON pointer, where that is how one speaks of it (OpenAPI); it is shown instead.
    """

    message: str
    remedy: str = ""
    severity: Literal["error", "warning"] = "error"
    path: Path = ()
    file: str = ""
    line: int = 0
    column: int = 0
    pointer: str = ""

    def __str__(self) -> str:
        """`file:line: error: apis.chat.routes.send: message (remedy)`; with the column where there is no path."""
        place = self.file
        if place and self.line:
            place += f":{self.line}"
            if self.column and not self.path:
                place += f":{self.column}"
        parts = [place, self.severity, self.pointer or dotted(self.path), self.message]
        text = ": ".join(part for part in parts if part)
        return f"{text} ({self.remedy})" if self.remedy else text


def dotted(path: Path) -> str:
    """`apis.chat.routes.send.integrationResponses[0]`; a key that holds a dot or blank stands quoted in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def pointer(path: Path) -> str:
    """`path` as a JSON pointer (RFC 6901): `/paths/~1pets/get`."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of `findings` keeps the definition from being served."""
    return any(finding.severity == "error" for finding in findings)


def warning(path: Path, message: str, remedy: str = "") -> Finding:
    return Finding(severity="warning", path=path, message=message, remedy=remedy)


def error(path: Path, message: str, remedy: str = "") -> Finding:
    return Finding(severity="error", path=path, message=message, remedy=remedy)
