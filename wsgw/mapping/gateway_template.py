"""Templates of gateway responses: text with references in it, and no VTL.

`$context.NAME`, `$stageVariables.NAME` and `$method.request.header.NAME` (`.querystring.NAME`, `.path.NAME`) become
what they stand for, empty where that is nothing; all else, directives and `$input` included, stays as it is written.
Source: developer guide, "Gateway responses in API Gateway".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from wsgw.invocation import HttpInvocation
from wsgw.mapping.rest_parameters import received, shared_source
from wsgw.mapping.variables import Reader, UnknownVariable, context_reader

_REFERENCE: Final = re.compile(
    r"\$(?:(context)((?:\.[A-Za-z0-9_-]+)+)"
    r"|(stageVariables)\.([A-Za-z0-9_]+)"
    r"|(method)\.request\.(header|querystring|path)\.([A-Za-z0-9_$-]+(?:\.[A-Za-z0-9_$-]+)*))"
)

Text = Callable[[HttpInvocation], str]


def compile_gateway_template(source: str) -> Text:
    """The text that `source` makes of a request that was refused."""
    pieces: list[str | Text] = []
    at = 0
    while match := _REFERENCE.search(source, at):
        found = _reference(match)
        if found is None:
            pieces.append(source[at : match.end()])
            at = match.end()
            continue
        read, end = found
        pieces += [source[at : match.start()], read]
        at = end
    pieces.append(source[at:])
    constant = "".join(piece for piece in pieces if isinstance(piece, str))
    if all(isinstance(piece, str) for piece in pieces):
        return lambda invocation: constant

    def text(invocation: HttpInvocation) -> str:
        return "".join([piece if isinstance(piece, str) else piece(invocation) for piece in pieces])

    return text


def _reference(match: re.Match[str]) -> tuple[Text, int] | None:
    """Reads what `match` refers to, and where the reference ends; None for a name that `$context` doesn't have."""
    if match[5]:
        return _joined(received(match[6], match[7])), match.end()
    if match[3]:
        source = shared_source(f"stageVariables.{match[4]}")
        assert source is not None
        return _joined(source), match.end()
    name = match[2][1:]
    while name:
        # The longest name that there is: what follows it, a full stop or a hyphen, may be the text's.
        try:
            read = context_reader(name, "REST")
        except UnknownVariable:
            name = name[: max(name.rfind("."), name.rfind("-"), 0)]
            continue
        return _printed(read), match.start(2) + 1 + len(name)
    return None


def _joined(read: Callable[[HttpInvocation], Any]) -> Text:
    return lambda invocation: "".join(read(invocation))


def _printed(read: Reader) -> Text:
    def text(invocation: HttpInvocation) -> str:
        value = read(invocation)
        return "" if value is None else str(value)

    return text
