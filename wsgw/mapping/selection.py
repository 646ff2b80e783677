r"""Selection expressions: what picks the route of a message, a template, a model, or an integration response.

An expression mixes literals with variables: `$request.body.action`, `${request.body.service}/${request.body.action}`,
`join`, `\$default`. `\$` is a dollar sign; a variable without braces runs as far as path characters go: letters,
digits, `_`, `-`, `.` and `[…]`. What leads nowhere is empty, what is no string is printed (see `java_text`), and
results are not read again. Each expression is compiled once; a message is parsed once for all of them.
Source: developer guide, "Selection expressions in API Gateway" and "WebSocket API mapping templates".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import orjson

from wsgw.invocation import NOT_JSON, UNPARSED, Invocation
from wsgw.mapping.expressions import expression
from wsgw.mapping.java_text import java_text
from wsgw.mapping.jsonpath import JsonPathError, compile_path
from wsgw.mapping.selection_parse import REQUEST_SOURCES, RESPONSE_SOURCES, SelectionError, fault, split
from wsgw.mapping.variables import UnknownVariable, context_reader

__all__ = [
    "Selection",
    "SelectionError",
    "choose",
    "compile_selection",
    "document_of",
    "parse_json",
    "response_selector",
    "response_template_selector",
    "route_selector",
    "selector",
]

T = TypeVar("T")
Reader = Callable[[Invocation], str]

DEFAULT_KEY: Final = "$default"
_DEFAULT_KEYS: Final = (DEFAULT_KEY, r"\$default")


class Selection:
    """A compiled expression. `select` gives its result; `static` is that result where no message can change it."""

    __slots__ = ("expression", "select", "static")

    def __init__(self, expression: str, parts: Sequence[str | Reader]) -> None:
        self.expression = expression
        literals = [part for part in parts if isinstance(part, str)]
        self.static = "".join(literals) if len(literals) == len(parts) else None
        readers = [_constant(part) if isinstance(part, str) else part for part in parts]
        self.select = readers[0] if len(readers) == 1 else _joined(readers)

    def __repr__(self) -> str:
        return f"Selection({self.expression!r})"


def compile_selection(expression: str, sources: Sequence[str] = REQUEST_SOURCES) -> Selection:
    """The compiled `expression`; `sources` says which variables it may name. Raises SelectionError."""
    if expression == DEFAULT_KEY:
        # Written without its backslash in many definitions, and cannot mean anything else.
        return Selection(expression, (DEFAULT_KEY,))
    parts = [part if isinstance(part, str) else _reader(expression, *part) for part in split(expression, sources)]
    return Selection(expression, parts)


def route_selector(expression: str) -> Reader:
    """Gives the route key that a message asks for: "" where it is not JSON or has none. Raises SelectionError.

    Fills in `Invocation.document`, unless the expression is static. So do selectors of request templates and models.
    """
    return compile_selection(expression).select


def response_template_selector(expression: str) -> Reader:
    """Gives the key of a response template; `Invocation.reply` is the backend's answer. Raises SelectionError."""
    return compile_selection(expression, RESPONSE_SOURCES).select


def selector(expression: str) -> Callable[[bytes | str], str]:
    """As `route_selector`, for a message by itself."""
    select = compile_selection(expression).select

    def select_message(message: bytes | str) -> str:
        invocation = Invocation.__new__(Invocation)
        invocation.document = parse_json(message)
        return select(invocation)

    return select_message


def choose(entries: Mapping[str, T], key: str) -> T | None:
    """The entry of `key`, or else that of `$default`, which may be spelled `\\$default`; None if there is neither."""
    if key in entries:
        return entries[key]
    for spelling in _DEFAULT_KEYS:
        if spelling in entries:
            return entries[spelling]
    return None


def response_selector(keys: Sequence[str]) -> Callable[[str], int | None]:
    r"""Gives the index of the first of `keys` that fits a status code or an error text, or else of `$default`'s.

    keys: integration response keys, `/regex/` (RE2; it must match the whole text) or `$default`. Raises SelectionError.
    """
    fallback = next((at for at, key in enumerate(keys) if key in _DEFAULT_KEYS), None)
    patterns = [(at, _pattern(key)) for at, key in enumerate(keys) if key not in _DEFAULT_KEYS]

    def select(text: str) -> int | None:
        try:
            for at, pattern in patterns:
                if pattern.fullmatch(text):
                    return at
        except UnicodeEncodeError:  # A lone surrogate: such a text matches no pattern.
            return fallback
        return fallback

    return select


# ---- the message


def parse_json(body: bytes | str) -> Any:
    """The value that `body` is as JSON, or NOT_JSON. Strict UTF-8 without a BOM, at most 1024 levels deep."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return NOT_JSON


def document_of(invocation: Invocation) -> Any:
    """The invocation's body as JSON, parsed when first asked for; NOT_JSON if it is none."""
    document = invocation.document
    if document is UNPARSED:
        document = invocation.document = parse_json(invocation.body)
    return document


# ---- readers: one closure per variable


def _constant(text: str) -> Reader:
    return lambda invocation: text


def _joined(readers: Sequence[Reader]) -> Reader:
    return lambda invocation: "".join([read(invocation) for read in readers])


def _reader(expression: str, at: int, source: str, path: str) -> Reader:
    try:
        if source == "request.body":
            return _body_reader(path)
        if source == "context":
            return _text_of_context(path[1:])
        if source == "request.header":
            return _header_reader(path[1:].lower(), multiple=False, of_reply=False)
        return _reply_reader(path[1:])
    except (JsonPathError, UnknownVariable, _BadName) as error:
        raise fault(expression, at, str(error), "correct the path") from error


class _BadName(ValueError):
    pass


def _body_reader(tail: str) -> Reader:
    """The JSONPath `$` + `tail` of the message, as text. One member of an object, the usual case, has its own loop."""
    path = compile_path("$" + tail)
    key = path.member
    if key is None:

        def find(invocation: Invocation) -> str:
            document = document_of(invocation)
            return "" if document is NOT_JSON else java_text(path.get(document))

        return find
    loads, not_json = orjson.loads, orjson.JSONDecodeError

    def read(invocation: Invocation) -> str:
        document = invocation.document
        if document is UNPARSED:
            try:
                document = invocation.document = loads(invocation.body)
            except not_json:
                document = invocation.document = NOT_JSON
        if document.__class__ is dict:
            value = document.get(key)
            return value if value.__class__ is str else java_text(value)
        return ""

    return read


def _text_of_context(name: str) -> Reader:
    read = context_reader(name)
    return lambda invocation: java_text(read(invocation))


def _reply_reader(path: str) -> Reader:
    kind, _, name = path.partition(".")
    if kind == "statuscode" and not name:
        return lambda invocation: "" if invocation.reply is None else str(invocation.reply.status)
    if kind in ("header", "multivalueheader") and name:
        return _header_reader(name.lower(), multiple=kind == "multivalueheader", of_reply=True)
    raise _BadName(f"integration.response has statuscode, header.{{name}} and multivalueheader.{{name}}, not {path!r}")


def _header_reader(name: str, *, multiple: bool, of_reply: bool) -> Reader:
    if not name:
        raise _BadName("request.header needs the name of a header")

    def read(invocation: Invocation) -> str:
        carrier = invocation.reply if of_reply else invocation
        headers = () if carrier is None else carrier.headers
        values = [value for key, value in headers if key.lower() == name]
        if multiple:
            return java_text(values) if values else ""
        return values[-1] if values else ""

    return read


def _pattern(key: str) -> Any:
    if len(key) < 2 or not (key.startswith("/") and key.endswith("/")):
        raise SelectionError(f"integration response key {key!r} is neither /regex/ nor $default; write /{key}/")
    try:
        return expression(key[1:-1])
    except ValueError as error:
        raise SelectionError(f"integration response key {key!r} is no regular expression of RE2: {error}") from error
